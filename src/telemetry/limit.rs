//! Every limit, in one list: each is counted by its name.

macro_rules! limits {
    ($($limit:ident $name:literal;)*) => {
        /// A limit. docs/operations.md explains each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Limit {
            $(#[doc = concat!("`", $name, "`")] $limit,)*
        }

        impl Limit {
            /// Every limit there is.
            pub const ALL: &[Self] = &[$(Self::$limit),*];

            /// Its name in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$limit => $name),* }
            }
        }
    };
}

limits! {
    // Connections of clients.
    Connections "connections";
    ConnectionsPerAddress "connections_per_address";
    ConnectionsAllBusy "connections_all_busy";
    HeadDeadline "head_deadline";
    HeadBytes "head_bytes";
    WriteDeadline "write_deadline";
    // Bodies and answers.
    BodyBytes "body_bytes";
    BodyDeadline "body_deadline";
    BodyPace "body_pace";
    RequestsUnderWay "requests_under_way";
    BytesInFlight "bytes_in_flight";
    AnswerBytes "answer_bytes";
    // What users and addresses ask for.
    RequestsPerMinute "requests_per_minute";
    RequestsAtOnce "requests_at_once";
    TokensPerHour "tokens_per_hour";
    FailedConnectsPerHour "failed_connects_per_hour";
    WrongTokensPerMinute "wrong_tokens_per_minute";
    SignIns "sign_ins";
    // What is kept for them.
    TokensPerUser "tokens_per_user";
    CredentialsPerUser "credentials_per_user";
    SinksPerUser "sinks_per_user";
    RepositoriesPerUser "repositories_per_user";
    Users "users";
}
