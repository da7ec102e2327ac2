//! Messages with codes that were sent, and links for new passwords, each a row for a day: what the caps
//! of the challenge room count. Numbers and addresses are kept as keyed hashes only.

use super::{Store, StoreError, Tx};
use crate::ambient::UnixTime;
use crate::policy::SubjectKey;

/// The channel of links for new passwords, which strangers ask for.
pub const LINKS: &str = "link";

/// A message that is about to be sent.
#[derive(Clone, Debug)]
pub struct NewSend {
    /// Ours; names the row when it is given back.
    pub id: String,
    pub at: UnixTime,
    /// Name of the channel.
    pub channel: &'static str,
    pub subject: SubjectKey,
    /// Keyed hash of where it goes.
    pub destination: [u8; 32],
    /// Keyed hash of the block of numbers that is in; none for addresses.
    pub block: Option<[u8; 32]>,
    /// ISO 3166 code of the number's country; none for addresses.
    pub country: Option<String>,
    /// Keyed hash of the client's network; none for addresses.
    pub network: Option<[u8; 32]>,
}

/// The newest messages into one block of numbers.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Newest {
    pub count: i64,
    /// How many of them were answered rightly.
    pub answered: i64,
    /// When the oldest of them was sent.
    pub oldest: i64,
}

/// Which messages are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendScope {
    /// Codes alone: whoever knows a name can ask for links, and whoever has a password has phones asked.
    Person,
    /// A person's links.
    PersonsLinks,
    Destination,
    Block,
    Country,
    Network,
    /// Everything that leaves by the channel.
    Channel,
    /// Codes by mail and links together.
    Mail,
}

impl SendScope {
    const fn newest(self) -> &'static str {
        match self {
            Self::Person => {
                "SELECT at FROM sends WHERE subject_key = $1 AND channel IN ('email', 'sms', 'voice') \
                 ORDER BY at DESC LIMIT 1 OFFSET $2"
            }
            Self::PersonsLinks => {
                "SELECT at FROM sends WHERE subject_key = $1 AND channel = 'link' \
                 ORDER BY at DESC LIMIT 1 OFFSET $2"
            }
            Self::Destination => {
                "SELECT at FROM sends WHERE destination = $1 ORDER BY at DESC LIMIT 1 OFFSET $2"
            }
            Self::Block => "SELECT at FROM sends WHERE block = $1 ORDER BY at DESC LIMIT 1 OFFSET $2",
            Self::Country => "SELECT at FROM sends WHERE country = $1 ORDER BY at DESC LIMIT 1 OFFSET $2",
            Self::Network => "SELECT at FROM sends WHERE network = $1 ORDER BY at DESC LIMIT 1 OFFSET $2",
            Self::Channel => "SELECT at FROM sends WHERE channel = $1 ORDER BY at DESC LIMIT 1 OFFSET $2",
            Self::Mail => {
                "SELECT at FROM sends WHERE channel IN ('email', $1) ORDER BY at DESC LIMIT 1 OFFSET $2"
            }
        }
    }
}

impl Tx {
    /// When the `nth` newest message (1 is the newest) of those counted together with `send` was sent.
    /// `None`: there were fewer.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn nth_newest_send(
        &mut self,
        send: &NewSend,
        scope: SendScope,
        nth: u32,
    ) -> Result<Option<UnixTime>, StoreError> {
        let query = sqlx::query_as(scope.newest());
        let query = match scope {
            SendScope::Person | SendScope::PersonsLinks => query.bind(send.subject.as_str()),
            SendScope::Destination => query.bind(send.destination.to_vec()),
            SendScope::Block | SendScope::Network => {
                let hash = if scope == SendScope::Block {
                    send.block
                } else {
                    send.network
                };
                match hash {
                    Some(hash) => query.bind(hash.to_vec()),
                    None => return Ok(None),
                }
            }
            SendScope::Country => match &send.country {
                Some(country) => query.bind(country),
                None => return Ok(None),
            },
            SendScope::Channel => query.bind(send.channel),
            SendScope::Mail => query.bind(LINKS),
        };
        let row: Option<(i64,)> =
            query.bind(i64::from(nth.saturating_sub(1))).fetch_optional(self.sql()).await?;
        Ok(row.map(|(at,)| UnixTime(at)))
    }

    /// The newest `most` messages that went to the block of `send` after `since`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn newest_in_block(
        &mut self,
        send: &NewSend,
        since: UnixTime,
        most: u32,
    ) -> Result<Option<Newest>, StoreError> {
        let Some(block) = send.block else {
            return Ok(None);
        };
        let sql = "SELECT COUNT(*) AS count, COALESCE(SUM(confirmed), 0) AS answered, \
                          COALESCE(MIN(at), 0) AS oldest \
                   FROM (SELECT at, confirmed FROM sends WHERE block = $1 AND at > $2 \
                         ORDER BY at DESC LIMIT $3) AS newest";
        let row = sqlx::query_as(sql)
            .bind(block.to_vec())
            .bind(since.0)
            .bind(i64::from(most))
            .fetch_one(self.sql())
            .await?;
        Ok(Some(row))
    }

    /// Counts a message.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert_send(&mut self, send: &NewSend) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sends (id, at, channel, subject_key, destination, block, country, network) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&send.id)
        .bind(send.at.0)
        .bind(send.channel)
        .bind(send.subject.as_str())
        .bind(send.destination.to_vec())
        .bind(send.block.map(|block| block.to_vec()))
        .bind(&send.country)
        .bind(send.network.map(|network| network.to_vec()))
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// Forgets what went to the destination of `send`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_sends(&mut self, send: &NewSend) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sends WHERE destination = $1")
            .bind(send.destination.to_vec())
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Notes that what a person was sent there since then has been answered rightly.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn confirm_sends(
        &mut self,
        subject: &SubjectKey,
        channel: &str,
        destination: &[u8; 32],
        since: UnixTime,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE sends SET confirmed = 1 \
                   WHERE subject_key = $1 AND channel = $2 AND destination = $3 AND at >= $4";
        sqlx::query(sql)
            .bind(subject.as_str())
            .bind(channel)
            .bind(destination.to_vec())
            .bind(since.0)
            .execute(self.sql())
            .await?;
        Ok(())
    }
}

impl Store {
    /// Takes a count back: the message surely did not leave.
    ///
    /// # Errors
    /// When the database is busy or refuses; the message then stays counted.
    pub async fn withdraw_send(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |mut tx| async move {
            sqlx::query("DELETE FROM sends WHERE id = $1")
                .bind(id)
                .execute(tx.sql())
                .await?;
            tx.commit(()).await
        })
        .await
    }
}
