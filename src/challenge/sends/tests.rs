//! The caps, each reached and each let go; and what does not count.

use std::time::Duration;

use super::*;

const NOW: i64 = 1_800_000_000;

struct World {
    _guard: tempfile::TempDir,
    store: Store,
    figures: MessageLimits,
}

/// Nothing but what a test sets.
fn wide(rate: Rate) -> MessageLimits {
    let unanswered = MessageLimits::default().unanswered;
    MessageLimits {
        per_prefix: rate,
        per_country: rate,
        per_network: rate,
        overall: rate,
        unanswered,
    }
}

async fn world(per_prefix: u32, overall: u32) -> World {
    let (guard, store) = crate::store::testing::store().await;
    let per_hour = |count| Rate { count, window: Duration::from_hours(1) };
    let figures = MessageLimits {
        per_prefix: per_hour(per_prefix),
        overall: per_hour(overall),
        ..wide(per_hour(1000))
    };
    World { _guard: guard, store, figures }
}

impl World {
    async fn send_from(&self, address: &str, channel: Channel, who: &str, to: &str, at: i64) -> Reserved {
        let figures = self.figures;
        let asked = Asked {
            subject: SubjectKey::new("local", who),
            channel,
            to: to.to_owned(),
            address: address.parse().unwrap(),
        };
        self.store
            .write(move |mut tx| async move {
                let reserved = reserve(&mut tx, &figures, &asked, UnixTime(NOW + at)).await?;
                tx.commit(reserved).await
            })
            .await
            .unwrap()
    }

    async fn send_by(&self, channel: Channel, who: &str, to: &str, at: i64) -> Reserved {
        self.send_from("192.0.2.1", channel, who, to, at).await
    }

    async fn send(&self, who: &str, to: &str, at: i64) -> Reserved {
        self.send_by(Channel::Sms, who, to, at).await
    }

    /// Which cap holds it, and for how many seconds; `None`: it was counted.
    async fn held(&self, who: &str, to: &str, at: i64) -> Option<(Cap, i64)> {
        match self.send(who, to, at).await {
            Reserved::Counted(_) => None,
            Reserved::Held { cap, until } => Some((cap, until.since(UnixTime(NOW + at)))),
        }
    }

    async fn answered(&self, who: &str, to: &str, at: i64) {
        let (subject, to) = (SubjectKey::new("local", who), to.to_owned());
        self.store
            .write(move |mut tx| async move {
                arrived(&mut tx, &subject, Channel::Sms, &to, UnixTime(NOW + at)).await?;
                tx.commit(()).await
            })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn e22_a_minute_between_three_in_ten_minutes_and_ten_a_day() {
    let world = world(1000, 1000).await;
    let to = "+447400123456";
    assert_eq!(world.held("alice", to, 0).await, None);
    assert_eq!(world.held("alice", to, 59).await, Some((Cap::Resend, 1)));
    assert_eq!(world.held("alice", to, 60).await, None);
    assert_eq!(world.held("alice", to, 120).await, None);
    assert_eq!(world.held("alice", to, 180).await, Some((Cap::Person, 420)));
    for at in (600..).step_by(600).take(7) {
        assert_eq!(world.held("alice", to, at).await, None, "{at}");
    }
    assert_eq!(world.held("alice", to, 6000).await, Some((Cap::Person, DAY - 6000)));
    assert_eq!(world.held("alice", to, DAY).await, None);
}

#[tokio::test]
async fn e21_one_push_a_minute_and_five_an_hour() {
    let world = world(1000, 1000).await;
    let push = |who: &'static str, at: i64| {
        let subject = SubjectKey::new("local", who);
        world.store.write(move |mut tx| async move {
            let reserved = reserve_push(&mut tx, &subject, UnixTime(NOW + at)).await?;
            tx.commit(reserved).await
        })
    };
    for at in [0, 60, 120, 180, 240] {
        assert!(matches!(push("alice", at).await.unwrap(), Reserved::Counted(_)), "{at}");
        let again = push("alice", at + 59).await.unwrap();
        assert_eq!(again, Reserved::Held { cap: Cap::Resend, until: UnixTime(NOW + at + 60) });
    }
    let until = UnixTime(NOW + 3600);
    assert_eq!(push("alice", 300).await.unwrap(), Reserved::Held { cap: Cap::Person, until });
    assert!(matches!(push("bob", 300).await.unwrap(), Reserved::Counted(_)), "another person");
}

#[tokio::test]
async fn links_that_strangers_ask_for_keep_nobody_from_codes() {
    let world = world(1000, 8).await;
    let link = async |who: &str, at: i64| {
        let (figures, subject) = (world.figures, SubjectKey::new("local", who));
        let to = format!("{who}@example.com");
        let reserved = world.store.write(move |mut tx| async move {
            let reserved = reserve_link(&mut tx, &figures, &subject, &to, UnixTime(NOW + at)).await?;
            tx.commit(reserved).await
        });
        match reserved.await.unwrap() {
            Reserved::Counted(_) => None,
            Reserved::Held { cap, until } => Some((cap, until.since(UnixTime(NOW + at)))),
        }
    };
    assert_eq!(link("alice", 0).await, None);
    assert_eq!(link("alice", 59).await, Some((Cap::Resend, 1)));
    assert_eq!(link("alice", 60).await, None);
    assert_eq!(link("alice", 120).await, None);
    assert_eq!(link("alice", 180).await, Some((Cap::Person, 3420)));
    let mail = async |who: &str, at: i64| {
        let to = format!("{who}@example.com");
        world.send_by(Channel::Email, who, &to, at).await
    };
    assert!(matches!(mail("alice", 121).await, Reserved::Counted(_)), "a code to the same address");
    assert_eq!(world.held("alice", "+447400123456", 181).await, None);
    // Half of what may be mailed at all, and no more; together no more than all of it.
    assert_eq!(link("bob", 190).await, None);
    assert_eq!(link("carol", 190).await, Some((Cap::Overall, 3410)));
    for who in ["bob", "carol", "dave"] {
        assert!(matches!(mail(who, 200).await, Reserved::Counted(_)), "{who}");
    }
    let until = UnixTime(NOW + 3600);
    assert_eq!(mail("erin", 200).await, Reserved::Held { cap: Cap::Overall, until });
    // Five a day.
    for at in [3600, 3660] {
        assert_eq!(link("alice", at).await, None, "{at}");
    }
    assert_eq!(link("alice", 40_000).await, Some((Cap::Person, DAY - 40_000)));
}

#[tokio::test]
async fn e22_nobody_else_can_send_on_to_the_same_number_nor_one_person_to_many() {
    let world = world(1000, 1000).await;
    for (nth, who) in ["alice", "bob", "carol"].into_iter().enumerate() {
        let at = 60 * i64::try_from(nth).unwrap();
        assert_eq!(world.held(who, "+447400123456", at).await, None, "{who}");
    }
    assert_eq!(world.held("dave", "+447400123456", 200).await, Some((Cap::Destination, 400)));
    assert_eq!(world.held("alice", "+447400223456", 200).await, None);
    assert_eq!(world.held("alice", "+447400323456", 200).await, None);
    assert_eq!(world.held("alice", "+447400423456", 200).await, Some((Cap::Person, 400)));
}

#[tokio::test]
async fn e22_a_block_of_numbers_and_everything_together_are_bounded() {
    let world = world(3, 5).await;
    let number = |n: i64| format!("+44740012{n:04}");
    for n in 0..3 {
        assert_eq!(world.held(&format!("p{n}"), &number(n), n).await, None);
    }
    assert_eq!(world.held("p9", &number(9), 10).await, Some((Cap::Prefix, 3590)));
    assert_eq!(world.held("p4", "+491511234567", 10).await, None);
    assert_eq!(world.held("p5", "+491521234567", 11).await, None);
    assert_eq!(world.held("p6", "+491531234567", 12).await, Some((Cap::Overall, 3588)));
    // Each channel has a total of its own, and addresses have no block.
    let mail = world.send_by(Channel::Email, "p7", "p7@example.com", 12).await;
    assert!(matches!(mail, Reserved::Counted(_)));
    let text = metrics().render();
    for cap in [Cap::Prefix, Cap::Overall] {
        assert!(text.contains(&format!("stepgate_limited_total{{limit=\"{}\"}}", cap.name())), "{text}");
    }
}

#[tokio::test]
async fn what_surely_did_not_leave_is_given_back() {
    let world = world(1000, 1000).await;
    let Reserved::Counted(id) = world.send("alice", "+447400123456", 0).await else {
        panic!("the first is counted")
    };
    give_back(&world.store, &id).await;
    assert_eq!(world.held("alice", "+447400123456", 1).await, None);
}

#[tokio::test]
async fn e22_a_block_where_nobody_answers_gets_no_more_until_the_first_is_a_day_old() {
    let world = world(1000, 1000).await;
    let number = |n: i64| format!("+44740012{n:04}");
    assert_eq!(world.held("early", &number(50), 0).await, None);
    world.answered("early", &number(50), 30).await;
    for n in 1..=20 {
        assert_eq!(world.held(&format!("p{n}"), &number(n), 100 * n).await, None, "{n}");
    }
    // One answer long ago does not open it, and asking again does not make the wait longer.
    assert_eq!(world.held("q", &number(99), 2_100).await, Some((Cap::Unanswered, DAY - 2_000)));
    assert_eq!(world.held("q", &number(99), 3_100).await, Some((Cap::Unanswered, DAY - 3_000)));
    assert_eq!(world.held("r", "+447400223456", 3_100).await, None, "another block");
    assert_eq!(world.held("q", &number(99), DAY + 101).await, None);
    assert_eq!(world.held("s", &number(98), DAY + 102).await, Some((Cap::Unanswered, 98)), "twenty again");
    // Elsewhere they do answer, which says nothing about this block.
    assert_eq!(world.held("p20", "+447911123456", 2_850).await, None);
    world.answered("p20", "+447911123456", 2_860).await;
    assert_eq!(world.held("q", &number(97), 2_870).await, Some((Cap::Unanswered, DAY - 2_670)));
    world.answered("p20", &number(20), 2_900).await;
    assert_eq!(world.held("q", &number(97), 3_200).await, None, "somebody real is there");
}

#[tokio::test]
async fn e22_a_country_and_a_network_are_bounded() {
    let mut world = world(1000, 1000).await;
    let rate = Rate { count: 2, window: Duration::from_hours(1) };
    world.figures.per_country = rate;
    for (n, to) in ["+447400123456", "+447400223456"].into_iter().enumerate() {
        assert_eq!(world.held(&format!("p{n}"), to, 0).await, None);
    }
    assert_eq!(world.held("p2", "+447400323456", 10).await, Some((Cap::Country, 3590)));
    assert_eq!(world.held("p3", "+4915112345678", 10).await, None, "another country");
    let mail = world.send_by(Channel::Email, "p4", "p4@example.com", 10).await;
    assert!(matches!(mail, Reserved::Counted(_)), "a mail is in no country");

    let mut world = self::world(1000, 1000).await;
    world.figures.per_network = rate;
    let from = async |address: &str, who: &str, to: &str| {
        matches!(world.send_from(address, Channel::Sms, who, to, 0).await, Reserved::Counted(_))
    };
    assert!(from("2001:db8::1", "a", "+447400123456").await);
    assert!(from("2001:db8::2", "b", "+447400223456").await);
    assert!(!from("2001:db8::3", "c", "+447400323456").await, "one /64 is one network");
    assert!(from("2001:db8:0:1::3", "c", "+447400323456").await);
    let text = metrics().render();
    for cap in [Cap::Country, Cap::Network] {
        assert!(text.contains(&format!("stepgate_limited_total{{limit=\"{}\"}}", cap.name())), "{text}");
    }
}

#[tokio::test]
async fn e07_a_hundred_at_once_are_one() {
    let world = std::sync::Arc::new(world(1000, 1000).await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let world = std::sync::Arc::clone(&world);
        tasks.spawn(async move { world.held("alice", "+447400123456", 0).await });
    }
    let sent = tasks.join_all().await.into_iter().filter(Option::is_none).count();
    assert_eq!(sent, 1);
}

#[tokio::test]
async fn counts_are_kept_for_a_day_and_no_longer() {
    let world = world(1000, 1000).await;
    world.send("alice", "+447400123456", 0).await;
    world.store.purge(UnixTime(NOW + DAY - 1)).await.unwrap();
    assert_eq!(world.held("alice", "+447400123456", 30).await, Some((Cap::Resend, 30)));
    assert_eq!(world.store.purge(UnixTime(NOW + DAY)).await.unwrap(), 1);
}

#[tokio::test]
async fn e22_one_mailbox_is_one_destination_however_it_is_written() {
    let world = world(1000, 1000).await;
    let mail = async |who: &str, to: &str, at: i64| match world.send_by(Channel::Email, who, to, at).await {
        Reserved::Counted(_) => None,
        Reserved::Held { cap, .. } => Some(cap),
    };
    assert_eq!(mail("alice", "carol@example.com", 0).await, None);
    assert_eq!(mail("bob", "Carol+news@example.com", 1).await, Some(Cap::Resend));
    assert_eq!(mail("bob", "carol2@example.com", 1).await, None);
}

#[tokio::test]
async fn e21_who_declines_twice_is_asked_no_more_for_an_hour() {
    let world = world(1000, 1000).await;
    let push = |at: i64| {
        let subject = SubjectKey::new("local", "alice");
        world.store.write(move |mut tx| async move {
            let reserved = reserve_push(&mut tx, &subject, UnixTime(NOW + at)).await?;
            tx.commit(reserved).await
        })
    };
    let no = |verdict: Verdict, at: i64| {
        let subject = SubjectKey::new("local", "alice");
        world.store.write(move |mut tx| async move {
            declined(&mut tx, &subject, &Answer::Ask, &verdict, UnixTime(NOW + at)).await?;
            tx.commit(()).await
        })
    };
    no(Verdict::Denied, 0).await.unwrap();
    assert!(matches!(push(10).await.unwrap(), Reserved::Counted(_)), "once may be a slip");
    no(Verdict::Denied, 20).await.unwrap();
    let until = UnixTime(NOW + 3600);
    assert_eq!(push(100).await.unwrap(), Reserved::Held { cap: Cap::Declined, until });
    assert!(matches!(push(3600).await.unwrap(), Reserved::Counted(_)));
    // Whoever has somebody's phone asked keeps them from none of their texts.
    for at in [3600, 3660, 3720] {
        assert_eq!(world.held("alice", "+447400123456", at).await, None, "{at}");
    }
    no(Verdict::Fraud, 4000).await.unwrap();
    let until = UnixTime(NOW + 7600);
    assert_eq!(push(4100).await.unwrap(), Reserved::Held { cap: Cap::Declined, until }, "it was not them");
}
