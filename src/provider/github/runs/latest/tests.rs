//! Which runs of lists are the latest of their kinds.

use crate::domain::repo::Repository;
use crate::domain::samples;
