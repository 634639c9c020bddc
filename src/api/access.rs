//! Who may use a route.

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Those who sign with a webhook's secret.
    Ingress,
    /// Users; everybody when the configuration says so.
    Metrics,
    /// Users, who see their own objects only.
    User,
    /// An admin.
    Admin,
}
