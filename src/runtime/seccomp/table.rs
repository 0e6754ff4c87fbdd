//! The system calls: name, what the default profile says of it, and the
//! numbers on x86_64, x32 (without its bit) and i386 (`-`: none).
//!
//! Numbers: asm/unistd_{64,x32,32}.h. Classes: Docker's default profile of
//! engine 28.5.

use super::Class;

/// One system call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its name.
    pub name: &'static str,
    /// Who may make it.
    pub class: Class,
    /// Its numbers, by [`super::Arch`]; -1 is none.
    pub numbers: [i16; 3],
}

macro_rules! number {
    (-) => {
        -1
    };
    ($number:literal) => {
        $number
    };
}

macro_rules! calls {
    ($($name:ident $class:ident $a:tt $b:tt $c:tt;)*) => {
        /// All system calls, by name.
        pub static CALLS: &[Call] = &[$(Call {
            name: stringify!($name),
            class: Class::$class,
            numbers: [number!($a), number!($b), number!($c)],
        }),*];
    };
}

#[rustfmt::skip]
calls! {
    _llseek Always - - 140; _newselect Always - - 142; _sysctl Never 156 - 149;
    accept Always 43 43 -; accept4 Always 288 288 364; access Always 21 21 33;
    acct Pacct 163 163 51; add_key Never 248 248 286;
    adjtimex Always 159 159 124; afs_syscall Never 183 183 137;
    alarm Always 37 37 27; arch_prctl Always 158 158 384;
    bdflush Never - - 134; bind Always 49 49 361; bpf Bpf 321 321 357;
    break Never - - 17; brk Always 12 12 45; cachestat Always 451 451 451;
    capget Always 125 125 184; capset Always 126 126 185;
    chdir Always 80 80 12; chmod Always 90 90 15; chown Always 92 92 182;
    chown32 Always - - 212; chroot Chroot 161 161 61;
    clock_adjtime Always 305 305 343; clock_adjtime64 Always - - 405;
    clock_getres Always 229 229 266; clock_getres_time64 Always - - 406;
    clock_gettime Always 228 228 265; clock_gettime64 Always - - 403;
    clock_nanosleep Always 230 230 267; clock_nanosleep_time64 Always - - 407;
    clock_settime Time 227 227 264; clock_settime64 Time - - 404;
    clone Clone 56 56 120; clone3 Clone3 435 435 435; close Always 3 3 6;
    close_range Always 436 436 436; connect Always 42 42 362;
    copy_file_range Always 326 326 377; creat Always 85 85 8;
    create_module Never 174 - 127; delete_module Module 176 176 129;
    dup Always 32 32 41; dup2 Always 33 33 63; dup3 Always 292 292 330;
    epoll_create Always 213 213 254; epoll_create1 Always 291 291 329;
    epoll_ctl Always 233 233 255; epoll_ctl_old Always 214 - -;
    epoll_pwait Always 281 281 319; epoll_pwait2 Always 441 441 441;
    epoll_wait Always 232 232 256; epoll_wait_old Always 215 - -;
    eventfd Always 284 284 323; eventfd2 Always 290 290 328;
    execve Always 59 520 11; execveat Always 322 545 358; exit Always 60 60 1;
    exit_group Always 231 231 252; faccessat Always 269 269 307;
    faccessat2 Always 439 439 439; fadvise64 Always 221 221 250;
    fadvise64_64 Always - - 272; fallocate Always 285 285 324;
    fanotify_init Admin 300 300 338; fanotify_mark Always 301 301 339;
    fchdir Always 81 81 133; fchmod Always 91 91 94;
    fchmodat Always 268 268 306; fchmodat2 Always 452 452 452;
    fchown Always 93 93 95; fchown32 Always - - 207;
    fchownat Always 260 260 298; fcntl Always 72 72 55; fcntl64 Always - - 221;
    fdatasync Always 75 75 148; fgetxattr Always 193 193 231;
    finit_module Module 313 313 350; flistxattr Always 196 196 234;
    flock Always 73 73 143; fork Always 57 57 2;
    fremovexattr Always 199 199 237; fsconfig Admin 431 431 431;
    fsetxattr Always 190 190 228; fsmount Admin 432 432 432;
    fsopen Admin 430 430 430; fspick Admin 433 433 433; fstat Always 5 5 108;
    fstat64 Always - - 197; fstatat64 Always - - 300;
    fstatfs Always 138 138 100; fstatfs64 Always - - 269;
    fsync Always 74 74 118; ftime Never - - 35; ftruncate Always 77 77 93;
    ftruncate64 Always - - 194; futex Always 202 202 240;
    futex_requeue Always 456 456 456; futex_time64 Always - - 422;
    futex_wait Always 455 455 455; futex_waitv Always 449 449 449;
    futex_wake Always 454 454 454; futimesat Always 261 261 299;
    get_kernel_syms Never 177 - 130; get_mempolicy Nice 239 239 275;
    get_robust_list Always 274 531 312; get_thread_area Always 211 - 244;
    getcpu Always 309 309 318; getcwd Always 79 79 183;
    getdents Always 78 78 141; getdents64 Always 217 217 220;
    getegid Always 108 108 50; getegid32 Always - - 202;
    geteuid Always 107 107 49; geteuid32 Always - - 201;
    getgid Always 104 104 47; getgid32 Always - - 200;
    getgroups Always 115 115 80; getgroups32 Always - - 205;
    getitimer Always 36 36 105; getpeername Always 52 52 368;
    getpgid Always 121 121 132; getpgrp Always 111 111 65;
    getpid Always 39 39 20; getpmsg Never 181 181 188;
    getppid Always 110 110 64; getpriority Always 140 140 96;
    getrandom Always 318 318 355; getresgid Always 120 120 171;
    getresgid32 Always - - 211; getresuid Always 118 118 165;
    getresuid32 Always - - 209; getrlimit Always 97 97 76;
    getrusage Always 98 98 77; getsid Always 124 124 147;
    getsockname Always 51 51 367; getsockopt Always 55 542 365;
    gettid Always 186 186 224; gettimeofday Always 96 96 78;
    getuid Always 102 102 24; getuid32 Always - - 199;
    getxattr Always 191 191 229; getxattrat Always 464 464 464;
    gtty Never - - 32; idle Never - - 112; init_module Module 175 175 128;
    inotify_add_watch Always 254 254 292; inotify_init Always 253 253 291;
    inotify_init1 Always 294 294 332; inotify_rm_watch Always 255 255 293;
    io_cancel Always 210 210 249; io_destroy Always 207 207 246;
    io_getevents Always 208 208 247; io_pgetevents Always 333 333 385;
    io_pgetevents_time64 Always - - 416; io_setup Always 206 543 245;
    io_submit Always 209 544 248; io_uring_enter Never 426 426 426;
    io_uring_register Never 427 427 427; io_uring_setup Never 425 425 425;
    ioctl Always 16 514 54; ioperm RawIo 173 173 101; iopl RawIo 172 172 110;
    ioprio_get Always 252 252 290; ioprio_set Always 251 251 289;
    ipc Always - - 117; kcmp Ptrace 312 312 349;
    kexec_file_load Never 320 320 -; kexec_load Never 246 528 283;
    keyctl Never 250 250 288; kill Always 62 62 37;
    landlock_add_rule Always 445 445 445;
    landlock_create_ruleset Always 444 444 444;
    landlock_restrict_self Always 446 446 446; lchown Always 94 94 16;
    lchown32 Always - - 198; lgetxattr Always 192 192 230; link Always 86 86 9;
    linkat Always 265 265 303; listen Always 50 50 363;
    listmount Always 458 458 458; listxattr Always 194 194 232;
    listxattrat Always 465 465 465; llistxattr Always 195 195 233;
    lock Never - - 53; lookup_dcookie Admin 212 212 253;
    lremovexattr Always 198 198 236; lseek Always 8 8 19;
    lsetxattr Always 189 189 227; lsm_get_self_attr Admin 459 459 459;
    lsm_list_modules Admin 461 461 461; lsm_set_self_attr Admin 460 460 460;
    lstat Always 6 6 107; lstat64 Always - - 196; madvise Always 28 28 219;
    map_shadow_stack Always 453 453 453; mbind Nice 237 237 274;
    membarrier Always 324 324 375; memfd_create Always 319 319 356;
    memfd_secret Always 447 447 447; migrate_pages Never 256 256 294;
    mincore Always 27 27 218; mkdir Always 83 83 39;
    mkdirat Always 258 258 296; mknod Always 133 133 14;
    mknodat Always 259 259 297; mlock Always 149 149 150;
    mlock2 Always 325 325 376; mlockall Always 151 151 152; mmap Always 9 9 90;
    mmap2 Always - - 192; modify_ldt Always 154 154 123;
    mount Admin 165 165 21; mount_setattr Admin 442 442 442;
    move_mount Admin 429 429 429; move_pages Never 279 533 317;
    mprotect Always 10 10 125; mpx Never - - 56;
    mq_getsetattr Always 245 245 282; mq_notify Always 244 527 281;
    mq_open Always 240 240 277; mq_timedreceive Always 243 243 280;
    mq_timedreceive_time64 Always - - 419; mq_timedsend Always 242 242 279;
    mq_timedsend_time64 Always - - 418; mq_unlink Always 241 241 278;
    mremap Always 25 25 163; mseal Always 462 462 462; msgctl Always 71 71 402;
    msgget Always 68 68 399; msgrcv Always 70 70 401; msgsnd Always 69 69 400;
    msync Always 26 26 144; munlock Always 150 150 151;
    munlockall Always 152 152 153; munmap Always 11 11 91;
    name_to_handle_at Always 303 303 341; nanosleep Always 35 35 162;
    newfstatat Always 262 262 -; nfsservctl Never 180 - 169; nice Never - - 34;
    oldfstat Never - - 28; oldlstat Never - - 84; oldolduname Never - - 59;
    oldstat Never - - 18; olduname Never - - 109; open Always 2 2 5;
    open_by_handle_at DacReadSearch 304 304 342; open_tree Admin 428 428 428;
    open_tree_attr Never 467 467 467; openat Always 257 257 295;
    openat2 Always 437 437 437; pause Always 34 34 29;
    perf_event_open Perfmon 298 298 336; personality Personality 135 135 136;
    pidfd_getfd Ptrace 438 438 438; pidfd_open Always 434 434 434;
    pidfd_send_signal Always 424 424 424; pipe Always 22 22 42;
    pipe2 Always 293 293 331; pivot_root Never 155 155 217;
    pkey_alloc Always 330 330 381; pkey_free Always 331 331 382;
    pkey_mprotect Always 329 329 380; poll Always 7 7 168;
    ppoll Always 271 271 309; ppoll_time64 Always - - 414;
    prctl Always 157 157 172; pread64 Always 17 17 180;
    preadv Always 295 534 333; preadv2 Always 327 546 378;
    prlimit64 Always 302 302 340; process_madvise Ptrace 440 440 440;
    process_mrelease Always 448 448 448; process_vm_readv Always 310 539 347;
    process_vm_writev Always 311 540 348; prof Never - - 44;
    profil Never - - 98; pselect6 Always 270 270 308;
    pselect6_time64 Always - - 413; ptrace Always 101 521 26;
    putpmsg Never 182 182 189; pwrite64 Always 18 18 181;
    pwritev Always 296 535 334; pwritev2 Always 328 547 379;
    query_module Never 178 - 167; quotactl Admin 179 179 131;
    quotactl_fd Admin 443 443 443; read Always 0 0 3;
    readahead Always 187 187 225; readdir Never - - 89;
    readlink Always 89 89 85; readlinkat Always 267 267 305;
    readv Always 19 515 145; reboot Boot 169 169 88;
    recvfrom Always 45 517 371; recvmmsg Always 299 537 337;
    recvmmsg_time64 Always - - 417; recvmsg Always 47 519 372;
    remap_file_pages Always 216 216 257; removexattr Always 197 197 235;
    removexattrat Always 466 466 466; rename Always 82 82 38;
    renameat Always 264 264 302; renameat2 Always 316 316 353;
    request_key Never 249 249 287; restart_syscall Always 219 219 0;
    rmdir Always 84 84 40; rseq Always 334 334 386;
    rt_sigaction Always 13 512 174; rt_sigpending Always 127 522 176;
    rt_sigprocmask Always 14 14 175; rt_sigqueueinfo Always 129 524 178;
    rt_sigreturn Always 15 513 173; rt_sigsuspend Always 130 130 179;
    rt_sigtimedwait Always 128 523 177; rt_sigtimedwait_time64 Always - - 421;
    rt_tgsigqueueinfo Always 297 536 335;
    sched_get_priority_max Always 146 146 159;
    sched_get_priority_min Always 147 147 160;
    sched_getaffinity Always 204 204 242; sched_getattr Always 315 315 352;
    sched_getparam Always 143 143 155; sched_getscheduler Always 145 145 157;
    sched_rr_get_interval Always 148 148 161;
    sched_rr_get_interval_time64 Always - - 423;
    sched_setaffinity Always 203 203 241; sched_setattr Always 314 314 351;
    sched_setparam Always 142 142 154; sched_setscheduler Always 144 144 156;
    sched_yield Always 24 24 158; seccomp Always 317 317 354;
    security Never 185 185 -; select Always 23 23 82; semctl Always 66 66 394;
    semget Always 64 64 393; semop Always 65 65 -; semtimedop Always 220 220 -;
    semtimedop_time64 Always - - 420; sendfile Always 40 40 187;
    sendfile64 Always - - 239; sendmmsg Always 307 538 345;
    sendmsg Always 46 518 370; sendto Always 44 44 369;
    set_mempolicy Nice 238 238 276; set_mempolicy_home_node Nice 450 450 450;
    set_robust_list Always 273 530 311; set_thread_area Always 205 - 243;
    set_tid_address Always 218 218 258; setdomainname Admin 171 171 121;
    setfsgid Always 123 123 139; setfsgid32 Always - - 216;
    setfsuid Always 122 122 138; setfsuid32 Always - - 215;
    setgid Always 106 106 46; setgid32 Always - - 214;
    setgroups Always 116 116 81; setgroups32 Always - - 206;
    sethostname Admin 170 170 74; setitimer Always 38 38 104;
    setns Admin 308 308 346; setpgid Always 109 109 57;
    setpriority Always 141 141 97; setregid Always 114 114 71;
    setregid32 Always - - 204; setresgid Always 119 119 170;
    setresgid32 Always - - 210; setresuid Always 117 117 164;
    setresuid32 Always - - 208; setreuid Always 113 113 70;
    setreuid32 Always - - 203; setrlimit Always 160 160 75;
    setsid Always 112 112 66; setsockopt Always 54 541 366;
    settimeofday Time 164 164 79; setuid Always 105 105 23;
    setuid32 Always - - 213; setxattr Always 188 188 226;
    setxattrat Always 463 463 463; sgetmask Never - - 68;
    shmat Always 30 30 397; shmctl Always 31 31 396; shmdt Always 67 67 398;
    shmget Always 29 29 395; shutdown Always 48 48 373; sigaction Never - - 67;
    sigaltstack Always 131 525 186; signal Never - - 48;
    signalfd Always 282 282 321; signalfd4 Always 289 289 327;
    sigpending Never - - 73; sigprocmask Always - - 126;
    sigreturn Always - - 119; sigsuspend Never - - 72; socket Socket 41 41 359;
    socketcall Always - - 102; socketpair Always 53 53 360;
    splice Always 275 275 313; ssetmask Never - - 69; stat Always 4 4 106;
    stat64 Always - - 195; statfs Always 137 137 99; statfs64 Always - - 268;
    statmount Always 457 457 457; statx Always 332 332 383; stime Time - - 25;
    stty Never - - 31; swapoff Never 168 168 115; swapon Never 167 167 87;
    symlink Always 88 88 83; symlinkat Always 266 266 304;
    sync Always 162 162 36; sync_file_range Always 277 277 314;
    syncfs Always 306 306 344; sysfs Never 139 139 135;
    sysinfo Always 99 99 116; syslog Syslog 103 103 103;
    tee Always 276 276 315; tgkill Always 234 234 270; time Always 201 201 13;
    timer_create Always 222 526 259; timer_delete Always 226 226 263;
    timer_getoverrun Always 225 225 262; timer_gettime Always 224 224 261;
    timer_gettime64 Always - - 408; timer_settime Always 223 223 260;
    timer_settime64 Always - - 409; timerfd_create Always 283 283 322;
    timerfd_gettime Always 287 287 326; timerfd_gettime64 Always - - 410;
    timerfd_settime Always 286 286 325; timerfd_settime64 Always - - 411;
    times Always 100 100 43; tkill Always 200 200 238;
    truncate Always 76 76 92; truncate64 Always - - 193;
    tuxcall Never 184 184 -; ugetrlimit Always - - 191; ulimit Never - - 58;
    umask Always 95 95 60; umount Admin - - 22; umount2 Admin 166 166 52;
    uname Always 63 63 122; unlink Always 87 87 10;
    unlinkat Always 263 263 301; unshare Admin 272 272 310;
    uretprobe Always 335 - -; uselib Never 134 - 86;
    userfaultfd Never 323 323 374; ustat Never 136 136 62;
    utime Always 132 132 30; utimensat Always 280 280 320;
    utimensat_time64 Always - - 412; utimes Always 235 235 271;
    vfork Always 58 58 190; vhangup TtyConfig 153 153 111; vm86 Never - - 166;
    vm86old Never - - 113; vmsplice Always 278 532 316;
    vserver Never 236 - 273; wait4 Always 61 61 114; waitid Always 247 529 284;
    waitpid Always - - 7; write Always 1 1 4; writev Always 20 516 146;
}
