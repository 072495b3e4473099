package doctor

import "time"

// The groups, in the order of a report.
const (
	groupFiles      = "files"
	groupEngine     = "engine"
	groupContainers = "containers"
	groupProxy      = "proxy"
	groupLog        = "access log"
	groupPools      = "pools"
	groupLeft       = "operations"
	groupAlerts     = "alerts"
)

// idleLimit is for the check that watches idle connections.
const idleLimit = 9 * time.Second

// checks are all checks, in the order of a report.
func checks() []check {
	return []check{
		{id: "compose-file", group: groupFiles, title: "the compose file loads", run: checkComposeFile},
		{id: "proxy-settings", group: groupFiles, title: "nginx can take the proxy's settings", run: checkProxySettings},
		{id: "nginx-test", group: groupFiles, title: "nginx accepts the configuration of these settings", run: checkNginxTest},
		{id: "env-mode", group: groupFiles, title: ".env is protected", run: checkEnvMode},
		{id: "env-names", group: groupFiles, title: "no variable in .env is misspelt", run: checkEnvNames},

		{id: "engine", group: groupEngine, title: "the Docker engine answers", run: checkEngine},
		{id: "clock", group: groupEngine, title: "the clocks agree", run: checkClock},
		{id: "disk", group: groupEngine, title: "there is room on the disks", run: checkDisk},

		{id: "roles", group: groupContainers, title: "proxy, pools and watcher exist", run: checkRoles},
		{id: "stopped", group: groupContainers, title: "no container is stopped", run: checkStopped},
		{id: "paused", group: groupContainers, title: "no container is paused", run: checkPaused},
		{id: "restarts", group: groupContainers, title: "no container restarts again and again", run: checkRestarts},
		{id: "health", group: groupContainers, title: "proxy and watcher are healthy", run: checkHealth},
		{id: "memory", group: groupContainers, title: "no container was killed for lack of memory", run: checkMemory},
		{id: "environment", group: groupContainers, title: "containers have the environment of the files", run: checkEnvironment},
		{id: "active-pool", group: groupContainers, title: "ACTIVE_POOL of the files has the traffic", run: checkActivePool},
		{id: "images", group: groupContainers, title: "containers run the images of the files", run: checkImages},
		{id: "releases", group: groupContainers, title: "pools hold what the deployment put there", run: checkReleases},
		{id: "ports", group: groupContainers, title: "ports are published where they should be", run: checkPorts},

		{id: "service", group: groupProxy, title: "requests can be answered", run: checkService},
		{id: "proxy", group: groupProxy, title: "the proxy tells its state", run: checkProxy},
		{id: "state", group: groupProxy, title: "the state directory is whole", run: checkState},
		{id: "trouble", group: groupProxy, title: "the proxy lacks nothing beside nginx", run: checkTrouble},
		{id: "volumes", group: groupProxy, title: "state and log are on volumes", run: checkVolumes},
		{id: "versions", group: groupProxy, title: "proxy and watcher run this bgctl", run: checkVersions},
		{id: "foreign-conf", group: groupProxy, title: "pools are found by name at run time", run: checkForeignConf},

		{id: "log-file", group: groupLog, title: "the access log is a file", run: checkLogFile},
		{id: "log-growth", group: groupLog, title: "the access log grows with the requests", run: checkLogGrowth},
		{id: "log-format", group: groupLog, title: "the lines of the access log are understood", run: checkLogFormat},
		{id: "log-rotation", group: groupLog, title: "the access log is rotated", run: checkRotation},
		{id: "log-room", group: groupLog, title: "the access log has room to grow", run: checkLogRoom},

		{id: "pool-health", group: groupPools, title: "the pools are healthy", run: checkPoolHealth},
		{id: "pool-answers", group: groupPools, title: "the pools answer through nginx", run: checkPoolAnswers},
		{id: "pool-headers", group: groupPools, title: "answers name their pool and release", run: checkPoolHeaders},
		{id: "keep-alive", group: groupPools, title: "idle connections live long enough", limit: idleLimit, run: checkKeepAlive},

		{id: "interrupted", group: groupLeft, title: "no operation was cut off", run: checkInterrupted},
		{id: "faults", group: groupLeft, title: "no injected fault is left", run: checkFaults},
		{id: "solo", group: groupLeft, title: "both pools take part in the failover", run: checkSolo},
		{id: "bake", group: groupLeft, title: "no bake was abandoned", run: checkBake},
		{id: "lock", group: groupLeft, title: "nobody holds the lock for long", run: checkLock},

		{id: "alert-settings", group: groupAlerts, title: "the alert settings make sense", run: checkAlertSettings},
		{id: "threshold", group: groupAlerts, title: "the error rate can fire", run: checkThreshold},
		{id: "receiver", group: groupAlerts, title: "alerts go to somebody", run: checkReceiver},
		{id: "receiver-reach", group: groupAlerts, title: "the receivers can be reached", run: checkReach},
	}
}
