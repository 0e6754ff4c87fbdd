//! The route table: every operation of the API, with its handler.
//!
//! Pattern, class of access, name in Docker's reference, handler. A route
//! answers in every API version, as in Docker itself, unless its line says
//! since or until when. What is not built yet has the handler [`unbuilt`].

use std::sync::Arc;

use super::handlers::absent::{self, unbuilt};
use super::handlers::{
    attach, container, debug, events, exec, files, image, image_create, life,
    logs, metrics, ping, plugin, start, stats, swarm, system, volume, wait,
};
use super::route::Access::{self, Control, Full, Read};
use super::route::Method::{self, Delete, Get, Head, Post, Put};
use super::route::{Handler, Route};
use crate::engine::Engine;

type Line = Route<Arc<Engine>>;

/// All routes.
pub static ROUTES: &[Line] = &[
    // The system.
    get("/_ping", Read, "SystemPing", ping::ping),
    head("/_ping", Read, "SystemPingHead", ping::ping),
    get("/version", Read, "SystemVersion", system::version),
    get("/info", Read, "SystemInfo", system::info),
    get("/events", Read, "SystemEvents", events::events),
    get("/system/df", Read, "SystemDataUsage", unbuilt),
    post("/auth", Full, "SystemAuth", unbuilt),
    post("/session", Full, "Session", absent::session),
    post("/grpc", Full, "Grpc", absent::session),
    // Containers.
    get("/containers/json", Read, "ContainerList", container::list),
    get("/containers/ps", Read, "ContainerList", container::list),
    post("/containers/create", Full, "ContainerCreate", container::create),
    post("/containers/prune", Full, "ContainerPrune", life::prune),
    get("/containers/{id*}/json", Read, "ContainerInspect", container::inspect),
    // Its `ps` can be asked for environments.
    get("/containers/{id*}/top", Control, "ContainerTop", life::top),
    get("/containers/{id*}/logs", Control, "ContainerLogs", logs::logs),
    get("/containers/{id*}/changes", Read, "ContainerChanges", files::changes),
    get("/containers/{id*}/stats", Read, "ContainerStats", stats::stats),
    get("/containers/{id*}/export", Full, "ContainerExport", files::export),
    post("/containers/{id*}/start", Control, "ContainerStart", start::start),
    post("/containers/{id*}/stop", Control, "ContainerStop", container::stop),
    post(
        "/containers/{id*}/restart",
        Control,
        "ContainerRestart",
        container::restart,
    ),
    post("/containers/{id*}/kill", Control, "ContainerKill", container::kill),
    post("/containers/{id*}/pause", Control, "ContainerPause", life::pause),
    post(
        "/containers/{id*}/unpause",
        Control,
        "ContainerUnpause",
        life::unpause,
    ),
    post("/containers/{id*}/wait", Control, "ContainerWait", wait::wait),
    post(
        "/containers/{id*}/resize",
        Control,
        "ContainerResize",
        container::resize,
    ),
    post(
        "/containers/{id*}/update",
        Full,
        "ContainerUpdate",
        container::update,
    ),
    post("/containers/{id*}/rename", Full, "ContainerRename", life::rename),
    // With stdin it needs full access.
    post(
        "/containers/{id*}/attach",
        Control,
        "ContainerAttach",
        attach::attach,
    ),
    get(
        "/containers/{id*}/attach/ws",
        Full,
        "ContainerAttachWebsocket",
        attach::websocket,
    ),
    head(
        "/containers/{id*}/archive",
        Full,
        "ContainerArchiveInfo",
        files::stat,
    ),
    get("/containers/{id*}/archive", Full, "ContainerArchive", files::get),
    put("/containers/{id*}/archive", Full, "PutContainerArchive", files::put),
    post("/containers/{id*}/copy", Full, "ContainerCopy", files::copy)
        .until(23),
    post("/containers/{id*}/exec", Full, "ContainerExec", exec::create),
    get(
        "/containers/{id*}/checkpoints",
        Read,
        "CheckpointList",
        absent::experiment,
    ),
    post(
        "/containers/{id*}/checkpoints",
        Full,
        "CheckpointCreate",
        absent::experiment,
    ),
    delete(
        "/containers/{id*}/checkpoints/{checkpoint}",
        Full,
        "CheckpointDelete",
        absent::experiment,
    ),
    delete("/containers/{id*}", Full, "ContainerDelete", container::remove),
    // Programs started in running containers.
    get("/exec/{id*}/json", Read, "ExecInspect", exec::inspect),
    post("/exec/{id*}/start", Full, "ExecStart", exec::start),
    post("/exec/{id*}/resize", Control, "ExecResize", exec::resize),
    // Images.
    get("/images/json", Read, "ImageList", image::list),
    get("/images/viz", Read, "ImageViz", absent::viz),
    get("/images/search", Full, "ImageSearch", unbuilt),
    get("/images/get", Full, "ImageGetAll", unbuilt),
    post("/images/create", Full, "ImageCreate", image_create::create),
    post("/images/load", Full, "ImageLoad", unbuilt),
    post("/images/prune", Full, "ImagePrune", unbuilt),
    get("/images/{name*}/json", Read, "ImageInspect", image::inspect),
    get("/images/{name*}/history", Read, "ImageHistory", unbuilt),
    get("/images/{name*}/get", Full, "ImageGet", unbuilt),
    post("/images/{name*}/push", Full, "ImagePush", unbuilt),
    post("/images/{name*}/tag", Full, "ImageTag", unbuilt),
    delete("/images/{name*}", Full, "ImageDelete", image::remove),
    post("/commit", Full, "ImageCommit", files::commit),
    post("/build", Full, "ImageBuild", unbuilt),
    post("/build/prune", Full, "BuildPrune", unbuilt),
    post("/build/cancel", Full, "BuildCancel", unbuilt),
    get("/distribution/{name*}/json", Full, "DistributionInspect", unbuilt),
    // Networks.
    get("/networks", Read, "NetworkList", unbuilt),
    post("/networks/create", Full, "NetworkCreate", unbuilt),
    post("/networks/prune", Full, "NetworkPrune", unbuilt),
    get("/networks/{id*}", Read, "NetworkInspect", absent::network),
    post("/networks/{id*}/connect", Full, "NetworkConnect", unbuilt),
    post("/networks/{id*}/disconnect", Full, "NetworkDisconnect", unbuilt),
    delete("/networks/{id*}", Full, "NetworkDelete", unbuilt),
    // Volumes.
    get("/volumes", Read, "VolumeList", volume::list),
    post("/volumes/create", Full, "VolumeCreate", volume::create),
    post("/volumes/prune", Full, "VolumePrune", volume::prune),
    get("/volumes/{name*}", Read, "VolumeInspect", volume::inspect),
    put("/volumes/{name*}", Full, "VolumeUpdate", swarm::volume).since(42),
    delete("/volumes/{name*}", Full, "VolumeDelete", volume::remove),
    // Plugins: there never are any.
    get("/plugins", Read, "PluginList", plugin::list),
    get(
        "/plugins/privileges",
        Full,
        "GetPluginPrivileges",
        plugin::unsupported,
    ),
    post("/plugins/pull", Full, "PluginPull", plugin::unsupported),
    post("/plugins/create", Full, "PluginCreate", plugin::unsupported),
    get("/plugins/{name*}/json", Read, "PluginInspect", plugin::not_found),
    post("/plugins/{name*}/enable", Full, "PluginEnable", plugin::not_found),
    post("/plugins/{name*}/disable", Full, "PluginDisable", plugin::not_found),
    post("/plugins/{name*}/upgrade", Full, "PluginUpgrade", plugin::not_found),
    post("/plugins/{name*}/push", Full, "PluginPush", plugin::not_found),
    post("/plugins/{name*}/set", Full, "PluginSet", plugin::not_found),
    delete("/plugins/{name*}", Full, "PluginDelete", plugin::not_found),
    get("/plugins/{name*}", Read, "PluginInspect", plugin::not_found).until(24),
    // Swarm mode: this engine is never part of one.
    get("/swarm", Read, "SwarmInspect", swarm::manager),
    get("/swarm/unlockkey", Full, "SwarmUnlockkey", swarm::manager),
    post("/swarm/init", Full, "SwarmInit", swarm::unsupported),
    post("/swarm/join", Full, "SwarmJoin", swarm::unsupported),
    post("/swarm/leave", Full, "SwarmLeave", swarm::member),
    post("/swarm/update", Full, "SwarmUpdate", swarm::update),
    post("/swarm/unlock", Full, "SwarmUnlock", swarm::manager),
    get("/nodes", Read, "NodeList", swarm::manager),
    get("/nodes/{id}", Read, "NodeInspect", swarm::manager),
    delete("/nodes/{id}", Full, "NodeDelete", swarm::manager),
    post("/nodes/{id}/update", Full, "NodeUpdate", swarm::update),
    get("/services", Read, "ServiceList", swarm::manager),
    post("/services/create", Full, "ServiceCreate", swarm::manager),
    get("/services/{id}", Read, "ServiceInspect", swarm::manager),
    delete("/services/{id}", Full, "ServiceDelete", swarm::manager),
    post("/services/{id}/update", Full, "ServiceUpdate", swarm::update),
    get("/services/{id}/logs", Read, "ServiceLogs", swarm::logs),
    get("/tasks", Read, "TaskList", swarm::manager),
    get("/tasks/{id}", Read, "TaskInspect", swarm::manager),
    get("/tasks/{id}/logs", Read, "TaskLogs", swarm::logs),
    get("/secrets", Read, "SecretList", swarm::manager),
    post("/secrets/create", Full, "SecretCreate", swarm::manager),
    get("/secrets/{id}", Read, "SecretInspect", swarm::manager),
    delete("/secrets/{id}", Full, "SecretDelete", swarm::manager),
    post("/secrets/{id}/update", Full, "SecretUpdate", swarm::update),
    get("/configs", Read, "ConfigList", swarm::manager),
    post("/configs/create", Full, "ConfigCreate", swarm::manager),
    get("/configs/{id}", Read, "ConfigInspect", swarm::manager),
    delete("/configs/{id}", Full, "ConfigDelete", swarm::manager),
    post("/configs/{id}/update", Full, "ConfigUpdate", swarm::update),
];

/// The routes that there are in debug mode besides.
pub static DEBUG: &[Line] = &[
    get("/debug/vars", Full, "", debug::vars::vars),
    get("/debug/pprof", Full, "", debug::index::index),
    get("/debug/pprof/cmdline", Full, "", debug::index::cmdline),
    get("/debug/pprof/profile", Full, "", debug::cpu::cpu),
    get("/debug/pprof/symbol", Full, "", debug::symbol::symbol),
    post("/debug/pprof/symbol", Full, "", debug::symbol::symbol),
    get("/debug/pprof/heap", Full, "", debug::heap::heap),
    get("/debug/pprof/allocs", Full, "", debug::heap::allocs),
    get("/debug/pprof/goroutine", Full, "", debug::threads::goroutine),
    get("/debug/pprof/threadcreate", Full, "", debug::threads::threadcreate),
    get("/debug/pprof/{name}", Full, "", debug::index::unknown),
];

/// The routes of the address for metrics.
pub static METRICS: &[Line] = &[get("/metrics", Read, "", metrics::metrics)];

type Answers = Handler<Arc<Engine>>;

const fn line(
    method: Method,
    pattern: &'static str,
    access: Access,
    operation: &'static str,
    handler: Answers,
) -> Line {
    Line::new(method, pattern, access, handler).named(operation)
}

const fn get(
    pattern: &'static str,
    access: Access,
    operation: &'static str,
    handler: Answers,
) -> Line {
    line(Get, pattern, access, operation, handler)
}

const fn head(
    pattern: &'static str,
    access: Access,
    operation: &'static str,
    handler: Answers,
) -> Line {
    line(Head, pattern, access, operation, handler)
}

const fn post(
    pattern: &'static str,
    access: Access,
    operation: &'static str,
    handler: Answers,
) -> Line {
    line(Post, pattern, access, operation, handler)
}

const fn put(
    pattern: &'static str,
    access: Access,
    operation: &'static str,
    handler: Answers,
) -> Line {
    line(Put, pattern, access, operation, handler)
}

const fn delete(
    pattern: &'static str,
    access: Access,
    operation: &'static str,
    handler: Answers,
) -> Line {
    line(Delete, pattern, access, operation, handler)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Version;
    use crate::server::route::Router;

    /// The operations of Docker's references, one a line.
    const REFERENCES: [(u16, &str); 3] = [
        (14, include_str!("../../tests/operations/v1.14.txt")),
        (24, include_str!("../../tests/operations/v1.24.txt")),
        (51, include_str!("../../tests/operations/v1.51.txt")),
    ];

    fn operation(method: &str, minor: u16, path: &str) -> Option<&'static str> {
        let method = Method::parse(method).expect("a method");
        let router = Router::new(ROUTES);
        let found = router.find(method, Version::of(1, minor), path)?;
        Some(found.route.operation)
    }

    #[test]
    fn every_operation_of_dockers_references_has_its_route() {
        for (minor, text) in REFERENCES {
            for line in text.lines() {
                let [method, path, name] = line
                    .split(' ')
                    .collect::<Vec<_>>()
                    .try_into()
                    .expect("three words");
                let path = path.replace("{name}", "a/b").replace("{id}", "c");
                let found = operation(method, minor, &path);
                assert_eq!(found, Some(name), "1.{minor} {line}");
            }
        }
    }

    #[test]
    fn every_operation_has_a_name() {
        for route in ROUTES {
            assert!(!route.operation.is_empty(), "{}", route.pattern);
        }
    }

    #[test]
    fn what_docker_dropped_is_unknown_from_then_on() {
        let copy = |minor| operation("POST", minor, "/containers/web/copy");
        assert_eq!((copy(23), copy(24)), (Some("ContainerCopy"), None));
        let volume = |minor| operation("PUT", minor, "/volumes/data");
        assert_eq!((volume(41), volume(42)), (None, Some("VolumeUpdate")));
    }

    #[test]
    fn a_control_listener_makes_no_container_and_enters_none() {
        let class = |name: &str| {
            let mut routes = ROUTES.iter().filter(|r| r.operation == name);
            routes.next().expect("a known operation").access
        };
        for name in [
            "ContainerStart",
            "ContainerStop",
            "ContainerRestart",
            "ContainerKill",
            "ContainerPause",
            "ContainerUnpause",
            "ContainerResize",
            "ContainerWait",
            "ContainerLogs",
            "ContainerTop",
            "ContainerAttach",
            "ExecResize",
        ] {
            assert_eq!(class(name), Control, "{name}");
        }
        for route in ROUTES {
            let looks = matches!(route.method, Get | Head);
            assert!(route.access != Read || looks, "{}", route.operation);
        }
        for name in [
            "ContainerCreate",
            "ContainerExec",
            "ExecStart",
            "ContainerAttachWebsocket",
            "ContainerArchive",
            "PutContainerArchive",
            "ContainerCopy",
            "ContainerExport",
            "ContainerUpdate",
            "ContainerRename",
            "ImageCreate",
            "ImageBuild",
            "ImageCommit",
            "SystemAuth",
        ] {
            assert_eq!(class(name), Full, "{name}");
        }
    }
}
