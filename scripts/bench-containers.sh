# Sourced by scripts/bench: what the operations of containers take, of
# whichever engine. It uses `median`, `word` and `$private` of its caller.
#
# shellcheck shell=bash

# A program that ends at once when it is asked to.
obeys='trap "exit 0" TERM; echo up; while :; do sleep 1000 & wait; done'

# now: milliseconds.
now() {
	echo $(($(date +%s%N) / 1000000))
}

# timed COMMAND…: milliseconds that it takes.
timed() {
	local began
	began=$(now)
	"$@" >/dev/null
	echo $(($(now) - began))
}

# per MILLISECONDS COUNT: milliseconds of one.
per() {
	awk -v ms="$1" -v n="$2" 'BEGIN { printf "%.1f", ms / n }'
}

# megabytes_per_second MILLISECONDS: of 1 GiB.
gib_rate() {
	awk -v ms="$1" 'BEGIN { printf "%.0f", 1024 * 1000 / ms }'
}

one_after_another() {
	local number
	for number in $(seq 100); do
		"$1" run --rm busybox true
	done
}

# The twenty clients start together.
at_once() {
	local number pids=
	for number in $(seq 20); do
		"$1" run -d --name "once$number" busybox sleep 1000 >/dev/null &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086
	wait $pids
}

# stop_once CLIENT: milliseconds of a stop of a container that obeys.
stop_once() {
	"$1" run -d --name obeys busybox sh -c "$obeys" >/dev/null
	until "$1" logs obeys | grep -q up; do sleep 0.02; done
	timed "$1" stop obeys
	"$1" rm obeys >/dev/null
}

# How long the same program takes to end on its own.
stops_alone() {
	busybox sh -c "$obeys" >"$private/up" &
	local pid=$!
	until grep -q up "$private/up"; do sleep 0.02; done
	local began
	began=$(now)
	kill -TERM "$pid"
	wait "$pid" || :
	echo $(($(now) - began))
}

# measure_containers INTO CLIENT SOCKET: the engine has `busybox`.
measure_containers() {
	local -n figures=$1
	local client=$2 socket=$3 number
	figures[life]=$("$PWD/target/loader" life "$socket" 1 "$seconds" |
		sed 's/.*p50_us=\([0-9.]*\).*/\1/' |
		awk '{ printf "%.1f", 1000000 / $1 }')
	"$client" run -d --name entered busybox sleep 1000000 >/dev/null
	figures[exec]=$(median "$client exec entered true")
	"$client" rm -f entered >/dev/null
	figures[stop]=$(for number in 1 2 3 4 5 6 7; do stop_once "$client"; done |
		median_of_lines)
	figures[row]=$(per "$(timed one_after_another "$client")" 100)
	figures[once]=$(per "$(timed at_once "$client")" 20)
	# shellcheck disable=SC2046
	"$client" rm -f $(seq -f once%g 20) >/dev/null

	# 1 GiB in lines of 100 bytes, from memory.
	figures[log]=$(gib_rate "$(timed "$client" run --name prints \
		-v "$private/lines:/lines:ro" busybox cat /lines)")
	"$client" rm prints >/dev/null
	figures[log_detached]=$(gib_rate "$(timed print_detached "$client")")
	"$client" rm prints >/dev/null

	"$client" run --name tree busybox sh -c '
		mkdir /tree; for n in $(seq 64); do
			head -c 16777216 /dev/zero >/tree/$n; done' >/dev/null
	figures[export]=$(gib_rate "$(timed fetch "$socket" tree/export)")
	figures[archive]=$(gib_rate \
		"$(timed fetch "$socket" 'tree/archive?path=/tree')")
	"$client" rm tree >/dev/null
}

print_detached() {
	"$1" run -d --name prints -v "$private/lines:/lines:ro" busybox cat /lines
	"$1" wait prints
}

fetch() {
	curl -sf --unix-socket "$1" -o /dev/null "http://engine/containers/$2"
}

# make_lines: what a container prints.
make_lines() {
	[ -e "$private/lines" ] ||
		yes 'a line of a chatty program, with a number 0123456789 and some more words to make it a hundred bytes' |
		head -c 1073741824 >"$private/lines"
}
