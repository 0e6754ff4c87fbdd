# Sourced by the shell tests: a daemon on private paths, and the proof that
# it left nothing behind. The caller sets `skiff` to the program and has `set -eu`.
#
# shellcheck shell=sh

# Every file of the daemon is below this directory.
private=$(mktemp -d "${TMPDIR:-/tmp}/skiff-private.XXXXXX")
socket=$private/skiff.sock
bridge=skp$$
daemon_pid=
export DOCKER_HOST="unix://$socket"

# start_daemon [FLAG…]: returns once the daemon answers.
start_daemon() {
	"$skiff" -d -H "unix://$socket" --data-root "$private/data" \
		--exec-root "$private/exec" -p "$private/pid" --bridge "$bridge" \
		"$@" >>"$private/log" 2>&1 </dev/null &
	daemon_pid=$!
	tries=0
	until "$skiff" version >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ "$tries" -gt 100 ] || ! kill -0 "$daemon_pid" 2>/dev/null; then
			echo "the daemon does not answer; its log:" >&2
			cat "$private/log" >&2
			return 1
		fi
		sleep 0.1
	done
}

# stop_daemon [SIGNAL]: returns the daemon's exit status.
stop_daemon() {
	[ -n "$daemon_pid" ] || return 0
	kill "-${1:-TERM}" "$daemon_pid" 2>/dev/null || :
	stopped=0
	wait "$daemon_pid" || stopped=$?
	daemon_pid=
	return "$stopped"
}

# Pids that hold a file below the private directory.
holders() {
	for fds in /proc/[0-9]*/fd; do
		if ls -l "$fds" 2>/dev/null | grep -q -- "-> $private/"; then
			pid=${fds#/proc/}
			echo "${pid%/fd}"
		fi
	done
}

# Ends what is left, tells it, and removes the private directory.
# Returns 1 if a process, mount, link or cgroup was left.
clean_up() {
	stop_daemon KILL || :
	left=
	for pid in $(holders); do
		# Only a program of ours: this shell's own log redirection is none.
		case $(readlink "/proc/$pid/exe" 2>/dev/null) in
		*skiff* | */memfd:*)
			left="$left process:$pid"
			kill -KILL "$pid" 2>/dev/null || :
			;;
		esac
	done
	mounts=$(awk -v at="$private/" 'index($5, at) == 1 { print $5 }' \
		/proc/self/mountinfo | sort -r)
	for mount in $mounts; do
		left="$left mount:$mount"
		umount -l "$mount" || :
	done
	ids=$(ls "$private/data/containers" 2>/dev/null || :)
	for id in $ids; do
		for group in $(find /sys/fs/cgroup -maxdepth 4 -type d -name "*$id*" \
			2>/dev/null); do
			left="$left cgroup:$group"
			rmdir "$group" 2>/dev/null || :
		done
	done
	if [ -e "/sys/class/net/$bridge" ]; then
		for port in "/sys/class/net/$bridge/brif/"*; do
			[ -e "$port" ] && left="$left link:${port##*/}"
		done
		# The bridge itself stays over a stop, as Docker's does.
		busybox ip link delete "$bridge" 2>/dev/null ||
			busybox brctl delbr "$bridge" 2>/dev/null || :
	fi
	rm -rf "$private"
	if [ -n "$left" ]; then
		echo "left behind:$left" >&2
		return 1
	fi
}

# busybox_root: writes a tar of a busybox root file system to stdout.
busybox_root() {
	root=$private/rootfs
	mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/root" "$root/proc" \
		"$root/sys" "$root/dev"
	chmod 1777 "$root/tmp"
	cp "$(command -v busybox)" "$root/bin/busybox"
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"
	tar -C "$root" -c .
	rm -rf "$root"
}
