//! What went through the interfaces of a network namespace, as its
//! `/proc/PID/net/dev` tells it (proc(5)).

/// The counters of one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The interface.
    pub name: String,
    /// What came in.
    pub received: Direction,
    /// What went out.
    pub sent: Direction,
}

/// One direction of [`Counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that were damaged.
    pub errors: u64,
    /// Packets for which there was no room.
    pub dropped: u64,
}

/// Reads the text of `net/dev`; the loopback interface does not count.
pub fn parse(text: &str) -> Vec<Counters> {
    text.lines().skip(2).filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Counters> {
    let (name, rest) = line.split_once(':')?;
    let name = name.trim();
    let numbers: Vec<u64> =
        rest.split_whitespace().map_while(|n| n.parse().ok()).collect();
    let direction = |at: usize| {
        let [bytes, packets, errors, dropped] =
            *numbers.get(at..at + 4)?.first_chunk()?;
        Some(Direction { bytes, packets, errors, dropped })
    };
    let (received, sent) = (direction(0)?, direction(8)?);
    (name != "lo").then(|| Counters { name: name.to_string(), received, sent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let text = "Inter-|   Receive          |  Transmit\n\
             face |bytes packets errs drop fifo frame compressed multicast|\
             bytes packets errs drop fifo colls carrier compressed\n    \
             lo:  9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  \
             eth0: 736 8 1 2 0 0 0 0 126 3 4 5 0 0 0 0\n short: 1 2\n";
        let sent = Direction { bytes: 126, packets: 3, errors: 4, dropped: 5 };
        let received =
            Direction { bytes: 736, packets: 8, errors: 1, dropped: 2 };
        let name = "eth0".to_string();
        assert_eq!(parse(text), [Counters { name, received, sent }]);
        assert!(parse("").is_empty());
    }
}
