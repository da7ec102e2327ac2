//! What `stepgate recipe` prints for systemd, images and Kubernetes, judged by the tools of those worlds; and
//! the examples, which must be what it prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Gate, Setup, run, stepgate, tool};

const ROUTES: &str =
    "  - { name: payroll, host: localhost, upstream: \"http://127.0.0.1:3000\", require: standard }\n";

#[test]
fn health_answers_by_its_exit_code() {
    let mut gate = Gate::with(ROUTES);
    let at = gate.operations_address().expect("the operations listener is on").to_string();
    let ask = |more: &[&str]| run(stepgate(&["health", "--at", &at]).args(more));
    let ready = ask(&[]).expect(0);
    assert_eq!(ready.stdout.trim(), "ok");
    ask(&["--live"]).expect(0);
    gate.kill();
    let gone = ask(&[]).expect(1);
    assert!(gone.stderr.contains(&at), "{}", gone.stderr);

    let server =
        " { listen: \"127.0.0.1:$PORT\", public_url: \"http://localhost:$PORT\", operations: false }";
    let off = Setup::new(ROUTES).section("server", server);
    off.command(&["health"], "").expect(1);
}

#[test]
fn the_systemd_unit_is_sound_and_exposes_little() {
    for (listen, port) in [
        ("127.0.0.1:$PORT", "no capability"),
        ("0.0.0.0:443", "a low port"),
    ] {
        let server = format!("{{ listen: \"{listen}\", public_url: \"https://mfa.example.com\" }}");
        let setup = Setup::new(ROUTES).section("server", &server);
        let unit = setup.command(&["recipe", "systemd"], "").expect(0).stdout;
        for words in [
            "Type=notify",
            "WatchdogSec=",
            "ExecReload=/bin/kill -HUP $MAINPID",
            "DynamicUser=yes",
        ] {
            assert!(unit.contains(words), "{words}:\n{unit}");
        }
        assert_eq!(unit.contains("CAP_NET_BIND_SERVICE"), port == "a low port", "{unit}");
        // `verify` wants to see the program.
        let binary = env!("CARGO_BIN_EXE_stepgate");
        let file = setup.path("stepgate.service");
        fs::write(&file, unit.replace("/usr/local/bin/stepgate", binary)).expect("the directory is writable");
        let verified = run(Command::new("systemd-analyze").arg("verify").arg(&file)).expect(0);
        // It looks at units of this machine, too; they are not ours.
        let of_ours: Vec<&str> = verified.stderr.lines().filter(|line| line.contains("stepgate")).collect();
        assert!(of_ours.is_empty(), "{port}: {of_ours:?}");
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--no-pager", "--offline=yes", "--threshold=20"]);
        run(security.arg(&file)).expect(0);
    }
}

#[test]
fn the_sidecar_is_valid_restricted_and_the_only_way_in() {
    for (form, versions) in [("native", ["1.29.0", "1.37.0"]), ("older", ["1.27.0", "1.37.0"])] {
        let setup = Setup::new(ROUTES);
        let directory = setup.path("recipe");
        let write = directory.to_string_lossy().into_owned();
        setup
            .command(
                &[
                    "recipe",
                    "kubernetes",
                    "--form",
                    form,
                    "--at",
                    "0.0.0.0:8080",
                    "--write",
                    &write,
                ],
                "",
            )
            .expect(0);
        fs::copy(setup.path("stepgate.yaml"), directory.join("stepgate.yaml")).expect("both are ours");
        let (file, objects) = rendered(&directory);
        for version in versions {
            let mut validate = Command::new(tool("kubernetes-validate"));
            let judged = run(validate.args(["--strict", "-k", version]).arg(&file)).expect(0);
            // An unknown kind is a warning to it, and a mistake to us.
            let said = format!("{}{}", judged.stdout, judged.stderr).to_lowercase();
            assert!(!said.contains("warn"), "{form} {version}: {said}");
        }
        let kinds: Vec<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
        for kind in [
            "ConfigMap",
            "Deployment",
            "NetworkPolicy",
            "PersistentVolumeClaim",
            "Service",
        ] {
            assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
        }
        let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind).expect("it is there");
        let pod = &of("Deployment")["spec"]["template"]["spec"];
        is_restricted(pod);
        is_the_only_way_in(pod, of("Service"), of("NetworkPolicy"), form == "native");
    }
}

/// What `kubectl kustomize` makes of a directory, as a file and as JSON.
fn rendered(directory: &Path) -> (PathBuf, Vec<Value>) {
    let text = run(Command::new(tool("kubectl")).arg("kustomize").arg(directory))
        .expect(0)
        .stdout;
    let file = directory.join("rendered.yaml");
    fs::write(&file, text).expect("the directory is writable");
    let program = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let python = tool("kubectl").canonicalize().expect("installed").with_file_name("python3");
    let json = run(Command::new(python).args(["-c", program]).arg(&file)).expect(0).stdout;
    (file, serde_json::from_str(&json).expect("JSON"))
}

fn containers(pod: &Value) -> Vec<&Value> {
    ["initContainers", "containers"]
        .iter()
        .filter_map(|list| pod[*list].as_array())
        .flatten()
        .collect()
}

/// The pod security standard `restricted`.
fn is_restricted(pod: &Value) {
    for shared in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod[shared].is_null(), "{shared}");
    }
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let volumes = pod["volumes"].as_array().expect("volumes");
    for volume in volumes {
        let kinds = [
            "configMap",
            "secret",
            "persistentVolumeClaim",
            "emptyDir",
            "projected",
        ];
        assert!(kinds.iter().any(|kind| volume[*kind].is_object()), "{volume}");
    }
    for container in containers(pod) {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
        assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]), "{container}");
        assert!(context["capabilities"]["add"].is_null() && context["privileged"].is_null(), "{container}");
        assert_ne!(context["runAsUser"], 0, "{container}");
        let ports = container["ports"].as_array().into_iter().flatten();
        assert!(ports.clone().all(|port| port["hostPort"].is_null()), "{container}");
    }
}

fn is_the_only_way_in(pod: &Value, service: &Value, policy: &Value, native: bool) {
    let all = containers(pod);
    let gate = all.iter().find(|container| container["name"] == "stepgate").expect("the gate");
    let app = all.iter().find(|container| container["name"] != "stepgate").expect("the app");
    assert_eq!(gate["ports"][0]["name"], "gate");
    assert_eq!(gate["ports"][0]["containerPort"], 8080);
    assert_eq!(gate["securityContext"]["readOnlyRootFilesystem"], true);
    assert!(app["ports"].is_null(), "the app offers nothing: {app}");
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "gate");
    assert_eq!(policy["spec"]["ingress"][0]["ports"][0]["port"], "gate");
    assert_eq!(policy["spec"]["policyTypes"], serde_json::json!(["Ingress"]));
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(gate[probe]["exec"]["command"][1], "health", "{probe}");
    }
    let first = &pod["initContainers"][0];
    assert_eq!(first["name"] == "stepgate" && first["restartPolicy"] == "Always", native);
}

#[test]
fn the_compose_file_publishes_the_gate_alone() {
    let setup = Setup::new(ROUTES);
    let directory = setup.path("recipe");
    let write = directory.to_string_lossy().into_owned();
    setup
        .command(&["recipe", "docker", "--at", "0.0.0.0:8080", "--write", &write], "")
        .expect(0);
    let compose = fs::read_to_string(directory.join("compose.yaml")).expect("written");
    assert_eq!(compose.matches("ports:").count(), 1, "{compose}");
    assert!(
        compose.contains("apps: { internal: true }") && compose.contains("read_only: true"),
        "{compose}"
    );
    let image = fs::read_to_string(directory.join("Containerfile")).expect("written");
    for words in [
        "FROM scratch",
        "USER 65532:65532",
        "EXPOSE 8080",
        "ENTRYPOINT [\"/stepgate\"]",
    ] {
        assert!(image.contains(words), "{words}:\n{image}");
    }
}

/// Every example is what the recipe prints for the ready configuration; `UPDATE_GOLDEN=1` writes them anew.
#[test]
fn the_examples_are_what_the_recipes_print() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = "config/forward-auth.yaml";
    let sidecar = "examples/kubernetes/stepgate.yaml";
    for (directory, config, arguments) in [
        ("nginx", beside, &["nginx"][..]),
        ("caddy", beside, &["caddy"]),
        ("haproxy", beside, &["haproxy"]),
        ("envoy", beside, &["envoy"]),
        ("envoy-http", beside, &["envoy", "--form", "http"]),
        ("traefik", beside, &["traefik"]),
        ("traefik-labels", beside, &["traefik", "--form", "labels", "--at", "stepgate:8080"]),
        ("traefik-crd", beside, &["traefik", "--form", "crd", "--at", "stepgate:8080"]),
        ("systemd", "/etc/stepgate/stepgate.yaml", &["systemd"]),
        ("docker", sidecar, &["docker"]),
        ("kubernetes", sidecar, &["kubernetes"]),
    ] {
        let made = tempfile::tempdir().expect("a temporary directory");
        let source = if config.starts_with('/') {
            root.join(sidecar)
        } else {
            root.join(config)
        };
        run(stepgate(&["recipe"])
            .args(arguments)
            .arg("-c")
            .arg(source)
            .arg("--write")
            .arg(made.path()))
        .expect(0);
        for file in fs::read_dir(made.path()).expect("written").flatten() {
            let example = root.join("examples").join(directory).join(file.file_name());
            let text = fs::read_to_string(file.path()).expect("text");
            // The unit names the operator's own file.
            let text = text.replace(&root.join(sidecar).to_string_lossy().into_owned(), config);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::create_dir_all(example.parent().expect("a directory")).expect("writable");
                fs::write(&example, &text).expect("writable");
            }
            let committed = fs::read_to_string(&example).unwrap_or_default();
            assert_eq!(committed, text, "{}: run the test with UPDATE_GOLDEN=1", example.display());
        }
    }
}

/// From the sources to a program that runs in an empty root, with neither a daemon nor a C library around it.
#[test]
#[ignore = "slow: compiles a static binary"]
fn the_image_is_built_without_a_daemon_and_runs_in_an_empty_root() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = tempfile::tempdir().expect("a temporary directory");
    let (layout, files) = (made.path().join("image"), made.path().join("root"));
    let target = Path::new(env!("CARGO_BIN_EXE_stepgate"))
        .ancestors()
        .nth(2)
        .expect("a target directory");
    let built = Command::new(root.join("examples/docker/build"))
        .arg(&layout)
        .env("PROFILE", "dev")
        .env("CARGO_TARGET_DIR", target)
        .output()
        .expect("the script runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let said = String::from_utf8_lossy(&built.stdout);
    let config: Value = serde_json::from_str(&said[said.find('{').expect("JSON")..]).expect("JSON");
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/stepgate"]));
    assert!(config["config"]["ExposedPorts"]["8080/tcp"].is_object(), "{config}");

    fs::create_dir(&files).expect("writable");
    let blobs = layout.join("blobs/sha256");
    for blob in fs::read_dir(blobs).expect("a layout").flatten() {
        // Layers are archives, the rest is JSON.
        let _ = Command::new("tar").arg("-xzf").arg(blob.path()).arg("-C").arg(&files).output();
    }
    assert_eq!(fs::read_dir(&files).expect("unpacked").flatten().count(), 3, "stepgate, etc, var");
    let mut alone = Command::new("unshare");
    alone
        .args(["--map-root-user", "chroot"])
        .arg(&files)
        .args(["/stepgate", "--version"]);
    assert!(run(&mut alone).expect(0).stdout.starts_with("stepgate "));
}
