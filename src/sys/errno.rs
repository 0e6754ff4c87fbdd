//! The error numbers that callers tell apart (`errno(3)`).

pub use libc::{
    EACCES, EAGAIN, EBUSY, EEXIST, EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENOENT,
    ENOSPC, ENOSYS, ENOTDIR, ENOTEMPTY, EOPNOTSUPP, EPERM, EROFS, ESRCH, EXDEV,
};
