//! What is asked for, with the names that faults and counts know.

/// What is asked for, with its name.
macro_rules! operations {
    ($($operation:ident $name:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Operation {
            $($operation),*
        }

        impl Operation {
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$operation => $name),*
                }
            }
        }
    };
}

pub(super) use operations;
