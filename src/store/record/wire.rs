//! From domain types to plain data and back.

use crate::domain::id::{
    CommandId, ConnectionId, CredentialId, DeliveryId, GapId, HookId, HookKey, IncidentId,
    NotificationId, OperationId, RunId, SinkId, TokenId, UserId,
};
use crate::domain::repo::{FullName, Host, InstanceId, RepositoryId};
use crate::domain::secret::Sealed;
use crate::domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

/// A type with a plain form that serde can write.
pub(in crate::store) trait Wire: Sized {
    /// The plain form.
    type Plain: Serialize + DeserializeOwned;
    /// The plain form of this value.
    fn to_wire(&self) -> Self::Plain;
    /// The value of a plain form; `None` when there is none (damage).
    fn from_wire(plain: Self::Plain) -> Option<Self>;
}

macro_rules! as_itself {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            type Plain = Self;
            fn to_wire(&self) -> Self { self.clone() }
            fn from_wire(plain: Self) -> Option<Self> { Some(plain) }
        }
    )*};
}
as_itself!(bool, u8, u16, u32, u64, i64, u128, String, [u8; 32]);

macro_rules! ids {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            type Plain = u128;
            fn to_wire(&self) -> u128 { self.as_u128() }
            fn from_wire(plain: u128) -> Option<Self> { Some(Self::from_u128(plain)) }
        }
    )*};
}
ids!(
    CommandId,
    OperationId,
    ConnectionId,
    UserId,
    TokenId,
    CredentialId,
    DeliveryId,
    RunId,
    IncidentId,
    GapId,
    NotificationId,
    SinkId,
    InstanceId
);

macro_rules! newtypes {
    ($($type:ident($inner:ty)),*) => {$(
        impl Wire for $type {
            type Plain = $inner;
            fn to_wire(&self) -> $inner { self.0.clone() }
            fn from_wire(plain: $inner) -> Option<Self> { Some(Self(plain)) }
        }
    )*};
}
newtypes!(
    Timestamp(i64),
    HookId(u64),
    RepositoryId(u64),
    Sealed(Vec<u8>)
);

impl Wire for HookKey {
    type Plain = Vec<u8>;
    fn to_wire(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
    fn from_wire(plain: Vec<u8>) -> Option<Self> {
        plain.try_into().ok().map(Self::from_bytes)
    }
}

macro_rules! texts {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            type Plain = String;
            fn to_wire(&self) -> String { self.as_str().to_owned() }
            fn from_wire(plain: String) -> Option<Self> { plain.parse().ok() }
        }
    )*};
}
texts!(FullName, Host);

impl<T: Wire> Wire for Option<T> {
    type Plain = Option<T::Plain>;
    fn to_wire(&self) -> Self::Plain {
        self.as_ref().map(T::to_wire)
    }
    fn from_wire(plain: Self::Plain) -> Option<Self> {
        match plain {
            Some(plain) => T::from_wire(plain).map(Some),
            None => Some(None),
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    type Plain = Vec<T::Plain>;
    fn to_wire(&self) -> Self::Plain {
        self.iter().map(T::to_wire).collect()
    }
    fn from_wire(plain: Self::Plain) -> Option<Self> {
        plain.into_iter().map(T::from_wire).collect()
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    type Plain = (A::Plain, B::Plain);
    fn to_wire(&self) -> Self::Plain {
        (self.0.to_wire(), self.1.to_wire())
    }
    fn from_wire((a, b): Self::Plain) -> Option<Self> {
        Some((A::from_wire(a)?, B::from_wire(b)?))
    }
}

impl<K: Wire + Ord, V: Wire> Wire for BTreeMap<K, V> {
    type Plain = Vec<(K::Plain, V::Plain)>;
    fn to_wire(&self) -> Self::Plain {
        self.iter()
            .map(|(k, v)| (k.to_wire(), v.to_wire()))
            .collect()
    }
    fn from_wire(plain: Self::Plain) -> Option<Self> {
        plain
            .into_iter()
            .map(|(k, v)| Some((K::from_wire(k)?, V::from_wire(v)?)))
            .collect()
    }
}

impl<T: Wire + Ord> Wire for BTreeSet<T> {
    type Plain = Vec<T::Plain>;
    fn to_wire(&self) -> Self::Plain {
        self.iter().map(T::to_wire).collect()
    }
    fn from_wire(plain: Self::Plain) -> Option<Self> {
        plain.into_iter().map(T::from_wire).collect()
    }
}

impl<T: Wire> Wire for Box<T> {
    type Plain = T::Plain;
    fn to_wire(&self) -> Self::Plain {
        (**self).to_wire()
    }
    fn from_wire(plain: Self::Plain) -> Option<Self> {
        T::from_wire(plain).map(Self::new)
    }
}

/// A frozen mirror of a struct: the fields in this order, each in its plain form.
macro_rules! mirror {
    ($mirror:ident of $domain:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        pub(in crate::store) struct $mirror { $($field: <$type as Wire>::Plain),* }

        impl Wire for $domain {
            type Plain = $mirror;
            fn to_wire(&self) -> $mirror {
                $mirror { $($field: <$type as Wire>::to_wire(&self.$field)),* }
            }
            fn from_wire(plain: $mirror) -> Option<Self> {
                Some(Self { $($field: <$type as Wire>::from_wire(plain.$field)?),* })
            }
        }
    };
}

/// Frozen numbers for an enum without data.
macro_rules! codes {
    ($domain:ident { $($code:literal = $variant:ident),* $(,)? }) => {
        impl Wire for $domain {
            type Plain = u8;
            fn to_wire(&self) -> u8 {
                match self { $(Self::$variant => $code),* }
            }
            fn from_wire(plain: u8) -> Option<Self> {
                match plain { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

/// A frozen mirror of an enum with data; the order of variants is the format.
macro_rules! mirror_enum {
    ($mirror:ident of $domain:ident { $(
        $variant:ident $( { $($field:ident: $type:ty),* $(,)? } )? $( ( $inner:ty ) )?
    ),* $(,)? }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        pub(in crate::store) enum $mirror { $(
            $variant $( { $($field: <$type as Wire>::Plain),* } )?
                $( { inner: <$inner as Wire>::Plain } )?
        ),* }

        impl Wire for $domain {
            type Plain = $mirror;
            fn to_wire(&self) -> $mirror {
                mirror_enum!(@to self $mirror { $(
                    $variant $( { $($field: $type),* } )? $( ( $inner ) )?
                ),* })
            }
            fn from_wire(plain: $mirror) -> Option<Self> {
                mirror_enum!(@from plain $mirror { $(
                    $variant $( { $($field: $type),* } )? $( ( $inner ) )?
                ),* })
            }
        }
    };
    (@to $self:ident $mirror:ident { $(
        $variant:ident $( { $($field:ident: $type:ty),* } )? $( ( $inner:ty ) )?
    ),* }) => {
        match $self { $(
            mirror_enum!(@pattern Self $variant $( { $($field),* } )? $( ( inner as $inner ) )?) =>
                $mirror::$variant $( { $($field: <$type as Wire>::to_wire($field)),* } )?
                    $( { inner: <$inner as Wire>::to_wire(inner) } )?
        ),* }
    };
    (@from $plain:ident $mirror:ident { $(
        $variant:ident $( { $($field:ident: $type:ty),* } )? $( ( $inner:ty ) )?
    ),* }) => {
        Some(match $plain { $(
            mirror_enum!(
                @pattern $mirror $variant $( { $($field),* } )? $( { inner as $inner } )?
            ) =>
                mirror_enum!(@build $variant $( { $($field: $type),* } )? $( ( inner as $inner ) )?)
        ),* })
    };
    (@pattern $of:ident $variant:ident) => { $of::$variant };
    (@pattern $of:ident $variant:ident { $($field:ident),* }) => { $of::$variant { $($field),* } };
    (@pattern $of:ident $variant:ident ( $inner:ident as $type:ty )) => { $of::$variant($inner) };
    (@pattern $of:ident $variant:ident { $inner:ident as $type:ty }) => {
        $of::$variant { $inner }
    };
    (@build $variant:ident) => { Self::$variant };
    (@build $variant:ident { $($field:ident: $type:ty),* }) => {
        Self::$variant { $($field: <$type as Wire>::from_wire($field)?),* }
    };
    (@build $variant:ident ( $inner:ident as $type:ty )) => {
        Self::$variant(<$type as Wire>::from_wire($inner)?)
    };
}

/// A frozen mirror of a struct as an older version wrote it. What it becomes now is said by a step
/// in [`super::codec::Record::from_older`].
macro_rules! frozen {
    ($mirror:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        pub(in crate::store) struct $mirror { $($field: $type),* }
    };
}

pub(super) use {codes, frozen, mirror, mirror_enum};
