//! Every door through which a code may come in, and every place where it must not be found.

use super::super::Scene;
use crate::canaries::holds;
use crate::support::wait_until_long;

/// With a request, on the page, by the API: a code counts once over all of them, and one that is sent
/// counts with no request at all.
pub fn every_door(mut scene: Scene) {
    let (browser, challenge) = scene.challenged("anna");
    let mut browser = browser;
    let code = scene.code(&mut browser, "anna", &challenge);
    let factor = scene.device.factor();
    let reply = scene.inline(&scene.gate, &browser, factor, &code);
    if scene.device.is_sent() {
        assert_eq!(reply.status, 401, "it is for its challenge alone: {}", reply.text());
    } else {
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.header("set-cookie").is_none(), "for this request alone");
        let again = scene.inline(&scene.gate, &browser, factor, &code);
        assert_eq!(again.status, 401, "{}", again.text());
        let api = scene.answer(&mut browser, &challenge, &code);
        assert_eq!(api.status, 422, "{}", api.text());
        assert!(!scene.served(&mut browser));
    }
    let (mut page, shown) = scene.page("anna");
    let code = scene.submit(&mut page, shown, "anna");
    assert!(scene.served(&mut page), "the page takes it");
    let reply = scene.inline(&scene.gate, &browser, factor, &code);
    assert_eq!(reply.status, 401, "used on the page: {}", reply.text());
    scene.forget_wrong_answers();
    let reply = scene.answer(&mut browser, &challenge, &code);
    assert!(matches!(reply.status, 422 | 404 | 410), "{} {}", reply.status, reply.text());
    assert!(!scene.served(&mut browser));
}

/// Neither codes nor the numbers and addresses they go to are in the log at its loudest, in the audit log,
/// in the metrics; nor, in clear, on the disk.
pub fn written_nowhere(mut scene: Scene) {
    let mut secrets = scene.device.private();
    let (mut browser, challenge) = scene.challenged("anna");
    let code = scene.code(&mut browser, "anna", &challenge);
    let wrong = scene.device.wrong(77);
    scene.inline(&scene.gate, &browser, scene.device.factor(), &wrong);
    assert_eq!(scene.answer(&mut browser, &challenge, &wrong).status, 422);
    assert_eq!(scene.answer(&mut browser, &challenge, &code).status, 200);
    let (mut page, shown) = scene.page("anna");
    let typed = scene.submit(&mut page, shown, "anna");
    secrets.extend([code, wrong, typed]);
    let metrics = scene.gate.operations("/metrics").expect(200).text();
    let audit = scene.gate.sql("SELECT * FROM audit");
    let disk = on_disk(&scene);
    scene.gate.signal("TERM");
    wait_until_long("the end", || scene.gate.exited());
    let log = scene.gate.log();
    assert!(log.len() > 10_000 && audit.contains("challenge.answered"), "there is something to search");
    for secret in secrets {
        let bare: String = secret.chars().filter(|c| !matches!(c, '-' | ' ' | '+')).collect();
        for (place, text) in [("log", &log), ("audit log", &audit), ("metrics", &metrics)] {
            let found = text.lines().find(|line| holds(line, &secret) || holds(line, &bare));
            assert!(found.is_none(), "{secret} is in the {place}: {}", found.unwrap_or_default());
        }
        // Six digits may be anywhere by chance; a local user's address stands in their record.
        let own_record = secret.contains('@');
        let on_disk =
            !own_record && bare.len() > 6 && disk.windows(bare.len()).any(|part| part == bare.as_bytes());
        assert!(!on_disk, "{secret} is on the disk");
    }
}

/// Everything in the state directory, as it is.
fn on_disk(scene: &Scene) -> Vec<u8> {
    let files = std::fs::read_dir(scene.gate.setup.path("state")).expect("the directory is there");
    files
        .flatten()
        .flat_map(|file| std::fs::read(file.path()).unwrap_or_default())
        .collect()
}
