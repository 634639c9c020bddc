//! Enums whose variants have names.

/// Declares an enum, each variant with its name.
macro_rules! named {
    // Without data.
    (
        $(#[$meta:meta])*
        pub enum $type:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }
    ) => {
        $(#[$meta])*
        pub enum $type { $($(#[$doc])* $variant,)* }

        impl $type {
            /// All of them, in order.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// The name used in JSON, logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The one of that name; `None` for an unknown name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|it| it.as_str() == name)
            }
        }
    };
    // With data: the names are of the variants.
    (
        $(#[$meta:meta])*
        pub enum $type:ident { $(
            $(#[$doc:meta])*
            $variant:ident $(($inner:ty))? $({ $($(#[$about:meta])* $field:ident: $of:ty,)* })?
                = $name:literal,
        )* }
    ) => {
        $(#[$meta])*
        pub enum $type { $(
            $(#[$doc])* $variant $(($inner))? $({ $($(#[$about])* $field: $of,)* })?,
        )* }

        impl $type {
            /// The names of all variants, in order.
            pub const NAMES: [&str; [$($name),*].len()] = [$($name),*];

            /// The name used in JSON, logs and metrics.
            pub const fn as_str(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name),* }
            }
        }
    };
}

pub(crate) use named;
