//! A sender for the tests of other rooms: takes everything and shows it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Accepted, BoxFuture, Carrier, Channel, Delivery, Message, NotSent, Sender};
use crate::calls::Unwell;

/// What was sent.
#[derive(Default)]
pub(crate) struct Outbox(Mutex<Vec<Message>>);

impl Outbox {
    /// An outbox for these channels, and the delivery that fills it.
    pub(crate) fn new(channels: &[Channel]) -> (Arc<Self>, Delivery) {
        let outbox = Arc::new(Self::default());
        let carrier = || Carrier { sender: Arc::clone(&outbox) as _, patience: Duration::from_secs(10) };
        let delivery = Delivery::of(channels.iter().map(|channel| (*channel, vec![carrier()])));
        (outbox, delivery)
    }

    /// Everything since the last time.
    pub(crate) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Sender for Outbox {
    fn name(&self) -> &'static str {
        "outbox"
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Accepted, NotSent>> {
        self.0.lock().unwrap().push(message.clone());
        Box::pin(async { Ok(Accepted::default()) })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unwell>> {
        Box::pin(async { Ok(()) })
    }
}
