//! What systemd is told of the daemon's state.

use std::os::unix::net::UnixDatagram;

/// Tells systemd, if it started us (sd_notify(3)).
pub(super) fn init(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let told = UnixDatagram::unbound().and_then(|socket| {
        let name = path.to_string_lossy().into_owned();
        match name.strip_prefix('@') {
            Some(name) => {
                use std::os::linux::net::SocketAddrExt;
                let address =
                    std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                socket.send_to_addr(state.as_bytes(), &address)
            }
            None => socket.send_to(state.as_bytes(), &name),
        }
    });
    if let Err(error) = told {
        log::warn!("tell init {state}: {error}");
    }
}
