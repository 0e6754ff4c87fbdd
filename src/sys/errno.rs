//! The error numbers that callers tell apart (`errno(3)`).

pub use libc::{
    E2BIG, EACCES, EAGAIN, EBUSY, EEXIST, EINVAL, EISDIR, ELOOP, ENAMETOOLONG,
    ENODEV, ENOENT, ENOSPC, ENOSYS, ENOTDIR, ENOTEMPTY, EOPNOTSUPP, EPERM,
    EROFS, ESRCH, EXDEV,
};
