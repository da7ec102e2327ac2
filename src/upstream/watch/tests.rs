//! When exchanges are looked at, and what becomes of what is over.

use std::future::ready;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use crate::config::settings::{Require, Requirement};
use crate::policy::tests_support::{get, policy, route};
use crate::policy::{Decision, Demand, Enrolled, LevelSet, Question};

use super::*;

/// A world that a test moves by hand.
#[derive(Default)]
struct World {
    now: AtomicI64,
    epoch: AtomicU64,
    looks: AtomicUsize,
    until: AtomicI64,
    by_time: std::sync::atomic::AtomicBool,
    ended: Mutex<Vec<&'static str>>,
}

const OVER: Over = Over { reason: "test", text: "over", by_time: false, try_again: false };

impl Standing for World {
    fn look(&self, _: &Permit) -> Result<UnixTime, Over> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let until = self.until.load(Ordering::SeqCst);
        let over = Over { by_time: self.by_time.load(Ordering::SeqCst), ..OVER };
        if self.now.load(Ordering::SeqCst) < until {
            Ok(UnixTime(until))
        } else {
            Err(over)
        }
    }
}

/// The same world, told apart because one trait cannot stand for two things.
struct Above(Arc<World>);

impl Oversight for Above {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.now.load(Ordering::SeqCst))
    }

    fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::SeqCst)
    }

    fn took_note(&self, ended: Vec<Arc<Watched>>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let names = ended.iter().map(|watched| watched.kind().name());
        self.0.ended.lock().unwrap().extend(names);
        Box::pin(ready(()))
    }
}

fn permit(grace: u64) -> Permit {
    let mut route = route(Requirement { require: Require::Public, optional: false });
    route.long_lived_grace = Duration::from_secs(grace);
    let policy = policy(route);
    let request = get("/");
    let route = policy.route_for(&request.host).unwrap();
    let question = Question {
        request,
        route,
        demand: Demand::PUBLIC,
        identity: None,
        deadlines: None,
        enrolled: Enrolled::Unknown,
        grace_until: None,
        granted: LevelSet::EMPTY,
        now: UnixTime(0),
    };
    match policy.decide(question) {
        Decision::Allow(permit) => permit,
        other => panic!("{other:?}"),
    }
}

fn scene(until: i64, grace: u64) -> (Arc<World>, Arc<Watches>, InSight) {
    let world = Arc::new(World::default());
    world.until.store(until, Ordering::SeqCst);
    let watches = Watches::new(Arc::new(Above(Arc::clone(&world))));
    let standing: Arc<World> = Arc::clone(&world);
    let in_sight = watches.add(Watch::new(permit(grace), standing), Kind::WebSocket);
    (world, watches, in_sight)
}

/// Lets the task look a few times.
async fn pass(world: &World, now: i64) {
    world.now.store(now, Ordering::SeqCst);
    tokio::time::sleep(TICK * 4).await;
}

#[tokio::test(start_paused = true)]
async fn what_has_run_out_is_ended_and_told_once() {
    let (world, _watches, in_sight) = scene(10, 0);
    pass(&world, 9).await;
    assert_eq!(in_sight.over(), None);
    pass(&world, 10).await;
    assert_eq!(std::future::poll_fn(|cx| in_sight.poll_over(cx)).await, OVER);
    pass(&world, 100).await;
    assert_eq!(*world.ended.lock().unwrap(), ["websocket"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_still_being_sent_ends_with_what_it_rests_on() {
    let world = Arc::new(World::default());
    world.until.store(10, Ordering::SeqCst);
    let standing: Arc<World> = Arc::clone(&world);
    let watch = Watch::new(permit(0), standing);
    let upload = |seconds| async move {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok::<_, UpstreamError>(seconds)
    };
    assert_eq!(watch.unless_revoked(upload(30)).await.ok(), Some(30));
    // What has only run out lets it finish; what somebody has ended does not.
    world.now.store(20, Ordering::SeqCst);
    world.by_time.store(true, Ordering::SeqCst);
    assert_eq!(watch.unless_revoked(upload(30)).await.ok(), Some(30));
    world.by_time.store(false, Ordering::SeqCst);
    let ended = watch.unless_revoked(upload(30)).await;
    assert!(matches!(ended, Err(error) if error.fault == Fault::Lapsed));
}

#[tokio::test(start_paused = true)]
async fn a_look_is_taken_when_its_time_has_come_or_something_has_happened() {
    let (world, watches, in_sight) = scene(1000, 0);
    pass(&world, 1).await;
    assert_eq!(world.looks.load(Ordering::SeqCst), 1);
    pass(&world, 2).await;
    assert_eq!(world.looks.load(Ordering::SeqCst), 1);
    world.epoch.fetch_add(1, Ordering::SeqCst);
    pass(&world, 3).await;
    assert_eq!(world.looks.load(Ordering::SeqCst), 2);
    pass(&world, 3 + LOOK_AGAIN).await;
    assert_eq!(world.looks.load(Ordering::SeqCst), 3);
    drop(in_sight);
    assert!(watches.list().is_empty());
    pass(&world, 2000).await;
    assert_eq!(world.looks.load(Ordering::SeqCst), 3, "what has ended by itself is forgotten");
    assert!(world.ended.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn grace_is_for_what_runs_out_and_not_for_what_is_ended() {
    let (world, _watches, in_sight) = scene(10, 60);
    world.by_time.store(true, Ordering::SeqCst);
    pass(&world, 11).await;
    assert_eq!(in_sight.over(), None);
    pass(&world, 69).await;
    assert_eq!(in_sight.over(), None);
    pass(&world, 71).await;
    assert_eq!(in_sight.over().map(|over| over.by_time), Some(true));

    let (world, _watches, in_sight) = scene(10, 60);
    world.by_time.store(true, Ordering::SeqCst);
    pass(&world, 11).await;
    // Then the session is ended, too.
    world.by_time.store(false, Ordering::SeqCst);
    world.epoch.fetch_add(1, Ordering::SeqCst);
    pass(&world, 12).await;
    assert_eq!(in_sight.over(), Some(OVER));
}

#[tokio::test(start_paused = true)]
async fn places_are_used_again() {
    let (world, watches, first) = scene(1000, 0);
    let standing: Arc<World> = Arc::clone(&world);
    let second = watches.add(Watch::new(permit(0), standing.clone()), Kind::Download);
    drop(first);
    let third = watches.add(Watch::new(permit(0), standing), Kind::EventStream);
    assert_eq!(watches.list().places.len(), 2);
    drop((second, third));
    assert!(watches.list().is_empty());
}
