//! How severe incidents are.

named! {
    /// The severity of an incident.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Severity {
        /// For information.
        Warning = "warning",
        /// A person has to act.
        Error = "error",
        /// Deliveries are or may be lost until a person acts.
        Critical = "critical",
    }
}
