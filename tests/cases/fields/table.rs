//! What proves each field inside of a container: the field, what is asked
//! for, a line that is run there, and what it must print. `|` parts what is
//! as good; `<disk>` is a block device of the host, `<numbers>` its number,
//! `<odd>` a character device, `<dir>` a directory.

/// Field, body, line, wanted.
pub type Proof = (&'static str, &'static str, &'static str, &'static str);

pub const PROOFS: &[Proof] = &[
    ("Config Hostname", r#"{"Hostname":"box"}"#, "hostname", "box"),
    (
        "Config Domainname",
        r#"{"Domainname":"example.org"}"#,
        "cat /proc/sys/kernel/domainname",
        "example.org",
    ),
    ("Config User", r#"{"User":"app:extra"}"#, "id -u; id -g", "1000\n2000"),
    ("Config Tty", r#"{"Tty":true}"#, "tty", "/dev/pts/0"),
    (
        "HostConfig ConsoleSize",
        r#"{"Tty":true,"HostConfig":{"ConsoleSize":[33,77]}}"#,
        "stty size",
        "33 77",
    ),
    (
        "Config OpenStdin",
        r#"{"OpenStdin":true}"#,
        "readlink /proc/self/fd/0 | cut -d: -f1",
        "pipe",
    ),
    (
        "Config Env",
        r#"{"Env":["WORD=x=y"]}"#,
        "tr '\\0' '\\n' </proc/1/environ | grep WORD",
        "WORD=x=y",
    ),
    (
        "Config Cmd",
        "{}",
        "tr '\\0' ' ' </proc/1/cmdline | cut -d' ' -f1,2; true",
        "sh -c",
    ),
    (
        "Config Entrypoint",
        r#"{"Entrypoint":["env","WORD=x"]}"#,
        "echo $WORD",
        "x",
    ),
    (
        "Config Image",
        r#"{"Image":"busybox:latest"}"#,
        "readlink /bin/sh",
        "busybox",
    ),
    (
        "Config WorkingDir",
        r#"{"WorkingDir":"/a/b"}"#,
        "readlink /proc/self/cwd",
        "/a/b",
    ),
    (
        "Config NetworkDisabled",
        r#"{"NetworkDisabled":true,"HostConfig":{"NetworkMode":"bridge"}}"#,
        "ls /sys/class/net",
        "lo",
    ),
    (
        "Config MacAddress",
        r#"{"MacAddress":"02:42:0a:0b:0c:0d",
            "HostConfig":{"NetworkMode":"bridge"}}"#,
        "cat /sys/class/net/eth0/address",
        "02:42:0a:0b:0c:0d",
    ),
    (
        "HostConfig NetworkMode",
        r#"{"HostConfig":{"NetworkMode":"bridge"}}"#,
        "ls /sys/class/net",
        "eth0\nlo",
    ),
    (
        "HostConfig CpuShares",
        r#"{"HostConfig":{"CpuShares":512}}"#,
        "cd /sys/fs/cgroup; cat cpu/cpu.shares || cat cpu.weight",
        "512|20",
    ),
    (
        "HostConfig Memory",
        r#"{"HostConfig":{"Memory":67108864}}"#,
        "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes || \
         cat memory.max",
        "67108864",
    ),
    (
        "HostConfig MemorySwap",
        r#"{"HostConfig":{"Memory":67108864,"MemorySwap":100663296}}"#,
        "cd /sys/fs/cgroup; cat memory/memory.memsw.limit_in_bytes || \
         cat memory.swap.max",
        "100663296|33554432",
    ),
    (
        "HostConfig MemoryReservation",
        r#"{"HostConfig":{"MemoryReservation":33554432}}"#,
        "cd /sys/fs/cgroup; cat memory/memory.soft_limit_in_bytes || \
         cat memory.low",
        "33554432",
    ),
    (
        "HostConfig MemorySwappiness",
        r#"{"HostConfig":{"MemorySwappiness":7}}"#,
        "cat /sys/fs/cgroup/memory/memory.swappiness",
        "7",
    ),
    (
        "HostConfig OomKillDisable",
        r#"{"HostConfig":{"Memory":67108864,"OomKillDisable":true}}"#,
        "grep disable /sys/fs/cgroup/memory/memory.oom_control",
        "oom_kill_disable 1",
    ),
    (
        "HostConfig OomScoreAdj",
        r#"{"HostConfig":{"OomScoreAdj":500}}"#,
        "cat /proc/self/oom_score_adj",
        "500",
    ),
    (
        "HostConfig NanoCpus",
        r#"{"HostConfig":{"NanoCpus":500000000}}"#,
        "cd /sys/fs/cgroup; cat cpu/cpu.cfs_quota_us || cat cpu.max",
        "50000|50000 100000",
    ),
    (
        "HostConfig CpuPeriod",
        r#"{"HostConfig":{"CpuPeriod":50000,"CpuQuota":20000}}"#,
        "cd /sys/fs/cgroup; cat cpu/cpu.cfs_period_us || cat cpu.max",
        "50000|20000 50000",
    ),
    (
        "HostConfig CpuQuota",
        r#"{"HostConfig":{"CpuQuota":20000}}"#,
        "cd /sys/fs/cgroup; cat cpu/cpu.cfs_quota_us || cat cpu.max",
        "20000|20000 100000",
    ),
    (
        "HostConfig CpusetCpus",
        r#"{"HostConfig":{"CpusetCpus":"0"}}"#,
        "grep Cpus_allowed_list /proc/self/status | cut -f2",
        "0",
    ),
    (
        "HostConfig CpusetMems",
        r#"{"HostConfig":{"CpusetMems":"0"}}"#,
        "cd /sys/fs/cgroup; cat cpuset/cpuset.mems || cat cpuset.mems",
        "0",
    ),
    (
        "HostConfig PidsLimit",
        r#"{"HostConfig":{"PidsLimit":33}}"#,
        "cd /sys/fs/cgroup; cat pids/pids.max || cat pids.max",
        "33",
    ),
    (
        "HostConfig BlkioWeight",
        r#"{"HostConfig":{"BlkioWeight":300}}"#,
        "cd /sys/fs/cgroup; cat blkio/blkio.bfq.weight || cat io.weight",
        "300|default 2930",
    ),
    (
        "HostConfig BlkioWeightDevice",
        r#"{"HostConfig":{"BlkioWeightDevice":
            [{"Path":"<disk>","Weight":300}]}}"#,
        "cd /sys/fs/cgroup; grep '<numbers>' \
         blkio/blkio.bfq.weight_device io.bfq.weight",
        "<numbers> 300",
    ),
    (
        "HostConfig BlkioDeviceReadBps",
        r#"{"HostConfig":{"BlkioDeviceReadBps":
            [{"Path":"<disk>","Rate":1048576}]}}"#,
        "cd /sys/fs/cgroup; cat blkio/blkio.throttle.read_bps_device || \
         cat io.max",
        "<numbers> 1048576|\
         <numbers> rbps=1048576 wbps=max riops=max wiops=max",
    ),
    (
        "HostConfig BlkioDeviceWriteBps",
        r#"{"HostConfig":{"BlkioDeviceWriteBps":
            [{"Path":"<disk>","Rate":1048576}]}}"#,
        "cd /sys/fs/cgroup; cat blkio/blkio.throttle.write_bps_device || \
         cat io.max",
        "<numbers> 1048576|\
         <numbers> rbps=max wbps=1048576 riops=max wiops=max",
    ),
    (
        "HostConfig BlkioDeviceReadIOps",
        r#"{"HostConfig":{"BlkioDeviceReadIOps":
            [{"Path":"<disk>","Rate":70}]}}"#,
        "cd /sys/fs/cgroup; cat blkio/blkio.throttle.read_iops_device || \
         cat io.max",
        "<numbers> 70|<numbers> rbps=max wbps=max riops=70 wiops=max",
    ),
    (
        "HostConfig BlkioDeviceWriteIOps",
        r#"{"HostConfig":{"BlkioDeviceWriteIOps":
            [{"Path":"<disk>","Rate":70}]}}"#,
        "cd /sys/fs/cgroup; cat blkio/blkio.throttle.write_iops_device || \
         cat io.max",
        "<numbers> 70|<numbers> rbps=max wbps=max riops=max wiops=70",
    ),
    (
        "HostConfig Devices",
        r#"{"HostConfig":{"Devices":[{"PathOnHost":"<odd>",
            "PathInContainer":"/dev/odd","CgroupPermissions":"r"}]}}"#,
        "stat -c %t:%T /dev/odd; cat /dev/odd 2>&1 | cut -d: -f3; \
         echo 2>&1 >/dev/odd | cut -d: -f3",
        // Read, it is no device; written, it is not allowed.
        "2a:5\n No such device or address\n Operation not permitted",
    ),
    (
        "HostConfig DeviceCgroupRules",
        r#"{"HostConfig":{"DeviceCgroupRules":["c 42:* rwm"]}}"#,
        "mknod /tmp/d c 42 5; cat /tmp/d 2>&1 | cut -d: -f3",
        " No such device or address",
    ),
    (
        "HostConfig Init",
        r#"{"HostConfig":{"Init":true}}"#,
        "cat /proc/1/comm",
        "docker-init",
    ),
    (
        "HostConfig Ulimits",
        r#"{"HostConfig":{"Ulimits":
            [{"Name":"nofile","Soft":100,"Hard":200}]}}"#,
        "ulimit -Sn; ulimit -Hn",
        "100\n200",
    ),
    (
        "HostConfig CgroupParent",
        r#"{"HostConfig":{"CgroupParent":"/skiff/below",
            "CgroupnsMode":"host"}}"#,
        "cut -d: -f3 /proc/self/cgroup | grep below | cut -d/ -f2,3 | uniq",
        "skiff/below",
    ),
    (
        "HostConfig CgroupnsMode",
        r#"{"HostConfig":{"CgroupnsMode":"private"}}"#,
        "cut -d: -f3 /proc/self/cgroup | sort -u",
        "/",
    ),
    (
        "HostConfig CapAdd",
        r#"{"HostConfig":{"CapDrop":["ALL"],"CapAdd":["NET_ADMIN"]}}"#,
        "grep CapEff /proc/self/status | cut -f2",
        "0000000000001000",
    ),
    (
        "HostConfig CapDrop",
        r#"{"HostConfig":{"CapDrop":["ALL"]}}"#,
        "grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status | cut -f2 | uniq",
        "0000000000000000",
    ),
    (
        "HostConfig Dns",
        r#"{"HostConfig":{"NetworkMode":"bridge","Dns":["10.9.9.9"]}}"#,
        "grep nameserver /etc/resolv.conf",
        "nameserver 10.9.9.9",
    ),
    (
        "HostConfig DnsOptions",
        r#"{"HostConfig":{"NetworkMode":"bridge","DnsOptions":["ndots:7"]}}"#,
        "grep options /etc/resolv.conf",
        "options ndots:7",
    ),
    (
        "HostConfig DnsSearch",
        r#"{"HostConfig":{"NetworkMode":"bridge",
            "DnsSearch":["example.org"]}}"#,
        "grep search /etc/resolv.conf",
        "search example.org",
    ),
    (
        "HostConfig ExtraHosts",
        r#"{"HostConfig":{"NetworkMode":"bridge",
            "ExtraHosts":["far:10.1.2.3","gate:host-gateway"]}}"#,
        "grep -E 'far|gate' /etc/hosts; ip route | grep default | \
         cut -d' ' -f3",
        "10.1.2.3\tfar\n<gateway>\tgate\n<gateway>",
    ),
    (
        "HostConfig GroupAdd",
        r#"{"User":"1000:1000","HostConfig":{"GroupAdd":["extra","4321"]}}"#,
        "id -G",
        "1000 2000 4321",
    ),
    (
        "HostConfig PidMode",
        r#"{"HostConfig":{"PidMode":"host"}}"#,
        "readlink /proc/self/ns/pid",
        "<pid>",
    ),
    (
        "HostConfig IpcMode",
        r#"{"HostConfig":{"IpcMode":"host"}}"#,
        "readlink /proc/self/ns/ipc",
        "<ipc>",
    ),
    (
        "HostConfig UTSMode",
        r#"{"HostConfig":{"UTSMode":"host"}}"#,
        "readlink /proc/self/ns/uts",
        "<uts>",
    ),
    (
        "HostConfig UsernsMode",
        r#"{"HostConfig":{"UsernsMode":"host"}}"#,
        "readlink /proc/self/ns/user",
        "<user>",
    ),
    (
        "HostConfig Privileged",
        r#"{"HostConfig":{"Privileged":true}}"#,
        "grep -E '^(CapEff|Seccomp):' /proc/self/status | cut -f2; \
         grep -c ' /proc/[^ ]* ' /proc/mounts",
        "<caps>\n0\n0",
    ),
    (
        "HostConfig ReadonlyRootfs",
        r#"{"HostConfig":{"ReadonlyRootfs":true}}"#,
        "touch /x 2>&1 | cut -d: -f3",
        " Read-only file system",
    ),
    (
        "HostConfig ShmSize",
        r#"{"HostConfig":{"ShmSize":1048576}}"#,
        "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2",
        "1024",
    ),
    (
        "HostConfig Sysctls",
        r#"{"HostConfig":{"Sysctls":{"net.ipv4.ip_default_ttl":"77"}}}"#,
        "cat /proc/sys/net/ipv4/ip_default_ttl",
        "77",
    ),
    (
        "HostConfig MaskedPaths",
        r#"{"HostConfig":{"MaskedPaths":["/proc/uptime"]}}"#,
        "wc -c </proc/uptime; wc -c </proc/version | sed 's/[1-9].*/some/'",
        "0\nsome",
    ),
    (
        "HostConfig ReadonlyPaths",
        r#"{"HostConfig":{"ReadonlyPaths":["/proc/tty"]}}"#,
        "grep ' /proc/tty ' /proc/mounts | cut -d' ' -f4 | cut -d, -f1",
        "ro",
    ),
    (
        "HostConfig Tmpfs",
        r#"{"HostConfig":{"Tmpfs":{"/t":"size=1m,mode=700"}}}"#,
        "stat -c %a /t; df -k /t | tail -1 | tr -s ' ' | cut -d' ' -f2",
        "700\n1024",
    ),
    (
        "HostConfig Binds",
        r#"{"HostConfig":{"Binds":["<dir>:/b:ro"]}}"#,
        "ls /b; touch /b/x 2>&1 | cut -d: -f3",
        "odd\n Read-only file system",
    ),
];

/// Fields without a line in the table, and why.
pub const EXEMPT: &[(&str, &str)] = &[
    ("Config AttachStdin", "what streams a client has: cases/attach.rs"),
    ("Config AttachStdout", "what streams a client has: cases/attach.rs"),
    ("Config AttachStderr", "what streams a client has: cases/attach.rs"),
    ("Config ExposedPorts", "words for links and published ports"),
    ("Config StdinOnce", "what a client's end means: cases/attach.rs"),
    ("Config Healthcheck", "what the engine runs, not what is set"),
    ("Config ArgsEscaped", "means something on Windows only"),
    ("Config Volumes", "cases of volumes"),
    ("Config OnBuild", "words for builds"),
    ("Config Labels", "words for clients: filters, events"),
    ("Config StopSignal", "stop_signal_and_time_are_the_containers_own"),
    ("Config StopTimeout", "stop_signal_and_time_are_the_containers_own"),
    ("Config Shell", "words for health checks and builds"),
    ("HostConfig CpuRealtimePeriod", "real_time_is_for_kernels_that_have_it"),
    ("HostConfig CpuRealtimeRuntime", "real_time_is_for_kernels_that_have_it"),
    ("HostConfig DeviceRequests", "CDI devices: cases of their own"),
    ("HostConfig KernelMemoryTCP", "no kernel of today keeps this limit"),
    ("HostConfig CpuCount", "means something on Windows only"),
    ("HostConfig CpuPercent", "means something on Windows only"),
    ("HostConfig IOMaximumIOps", "means something on Windows only"),
    ("HostConfig IOMaximumBandwidth", "means something on Windows only"),
    ("HostConfig ContainerIDFile", "the client writes it: cases/client.rs"),
    ("HostConfig LogConfig", "cases of logs"),
    ("HostConfig PortBindings", "no port is forwarded so far"),
    ("HostConfig PublishAllPorts", "no port is forwarded so far"),
    ("HostConfig RestartPolicy", "cases/lifecycle.rs, cases/update.rs"),
    ("HostConfig AutoRemove", "cases/lifecycle.rs"),
    ("HostConfig VolumeDriver", "cases of volumes"),
    ("HostConfig VolumesFrom", "cases of volumes"),
    ("HostConfig Mounts", "cases of volumes"),
    ("HostConfig Annotations", "words for OCI runtimes"),
    ("HostConfig Cgroup", "never had a meaning"),
    ("HostConfig Links", "cases/links.rs"),
    ("HostConfig SecurityOpt", "cases/seccomp.rs"),
    (
        "HostConfig StorageOpt",
        "refused, as by overlay2 without quotas for projects",
    ),
    ("HostConfig Runtime", "cases of OCI runtimes"),
    ("HostConfig Isolation", "means something on Windows only"),
];
