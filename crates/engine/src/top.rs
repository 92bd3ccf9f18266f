//! What /proc says of a container's processes and interfaces.

use std::fs;

use jiff::Timestamp;

use crate::Top;

/// Clock ticks per second as /proc counts them: USER_HZ, 100 on every architecture we build for.
const TICKS: u64 = 100;

/// The numbers of a container at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// What cgroups say.
    pub usage: runtime::protocol::Stats,
    /// Empty on the host's stack.
    pub interfaces: Vec<InterfaceStats>,
}

/// What went through one interface, as the container sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceStats {
    pub name: String,
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}

/// The processes with these numbers, as `ps -ef` shows them. Who has ended meanwhile is left out.
pub(crate) fn processes(pids: &[u32]) -> Top {
    let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let processes = pids.iter().filter_map(|pid| process(*pid, &accounts)).collect();
    Top { titles: titles.map(str::to_owned).into(), processes }
}

/// Whose a user number is on the host, by passwd(5); `ps` shows the number of a stranger.
fn account(accounts: &str, uid: &str) -> String {
    let owner = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        fields.nth(1).filter(|number| *number == uid).map(|_| name)
    });
    owner.unwrap_or(uid).to_owned()
}

fn process(pid: u32, accounts: &str) -> Option<Vec<String>> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    let stat = Stat::parse(&read("stat")?)?;
    let status = read("status")?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?;
    let uid = account(accounts, uid);
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    let command =
        if words.trim().is_empty() { format!("[{}]", stat.name) } else { words.trim_end().to_owned() };
    let booted = boot_time().unwrap_or_default();
    let started = Timestamp::from_second(booted + i64::try_from(stat.started / TICKS).ok()?).ok()?;
    let started = started.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M").to_string();
    let seconds = stat.ticks / TICKS;
    let time = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let tty = if stat.tty == 0 { "?".to_owned() } else { format!("pts/{}", stat.tty & 0xff) };
    Some(vec![uid, pid.to_string(), stat.parent.to_string(), "0".to_owned(), started, tty, time, command])
}

/// What `ps` needs of /proc/pid/stat, proc_pid_stat(5).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    parent: u32,
    tty: u32,
    /// Time on a processor.
    ticks: u64,
    /// After the boot.
    started: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name may hold blanks and parentheses: it ends at the last one.
        let (head, tail) = text.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let user: u64 = field(14)?.parse().ok()?;
        let system: u64 = field(15)?.parse().ok()?;
        Some(Self {
            name,
            parent: field(4)?.parse().ok()?,
            tty: field(7)?.parse().ok()?,
            ticks: user + system,
            started: field(22)?.parse().ok()?,
        })
    }
}

/// Seconds since the epoch when the machine booted.
fn boot_time() -> Option<i64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// The interfaces of a process's network stack, without loopback.
pub(crate) fn interfaces(pid: u32) -> Vec<InterfaceStats> {
    let text = fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    text.lines().filter_map(interface).filter(|interface| interface.name != "lo").collect()
}

/// One line of /proc/net/dev; its two lines of titles are none.
fn interface(line: &str) -> Option<InterfaceStats> {
    let (name, numbers) = line.split_once(':')?;
    let numbers: Vec<u64> = numbers.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        _,
        _,
        _,
        _,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
        ..,
    ] = numbers[..]
    else {
        return None;
    };
    let name = name.trim().to_owned();
    Some(InterfaceStats {
        name,
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_anything() {
        let text = "7 (a) b (c) S 1 7 7 34816 7 4194560 100 0 0 0 150 50 0 0 20 0 1 0 4200 1 2 3";
        let expected = Stat { name: "a) b (c".to_owned(), parent: 1, tty: 34816, ticks: 200, started: 4200 };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("7 (short"), None);
    }

    #[test]
    fn owners_have_names() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/:/bin/false\n";
        assert_eq!((account(accounts, "33"), account(accounts, "34")), ("web".to_owned(), "34".to_owned()));
    }

    #[test]
    fn we_see_ourselves() {
        let top = processes(&[std::process::id(), u32::MAX]);
        assert_eq!(top.processes.len(), 1);
        assert_eq!(top.processes[0].len(), top.titles.len());
    }

    #[test]
    fn reads_the_table_of_interfaces() {
        let line = "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        let found = interface(line).expect("an interface");
        assert_eq!((found.name.as_str(), found.rx_bytes, found.rx_dropped), ("eth0", 1, 4));
        assert_eq!((found.tx_bytes, found.tx_dropped), (9, 12));
        assert_eq!(interface(" face |bytes    packets"), None);
    }
}
