// Package proxy is the nginx side of a deployment: the configuration nginx runs
// with, the state directory that steers it, the first process of the container, and
// the agent that works on all of them from inside.
//
// The state directory is the only truth about the active pool:
//
//	active/blue | active/green   exactly one flag file; a switch is one rename(2)
//	seed                         ACTIVE_POOL at the last start; also the sentinel
//	                             that tells "blue" from "volume missing"
//	lock                         flock'ed by whoever changes the deployment
//	records.lock                 flock'ed for the moment of one change of a record
//	operation.json               the operation under way, or cut off
//	solo                         a pool is kept out of the failover: nginx tests it
//	bake.json, bake.lock         a new release is watched; flock'ed by who does
//	journal.ndjson               finished operations, newest last, bounded
//	standing.json                what the deployment put into its pools
//	settings.json                settings put in force since the container was made
//	faults/<pool>.json           injected faults and how to undo them
//
// [Agent] serves requests on one connection, normally the standard streams of a
// process started in the container; [Session] is its client and implements
// [bluegreen.Router]. The lock belongs to the agent's process: a client that dies
// closes the stream, the agent ends, and the kernel releases the lock. Records are
// changed by the holder of the lock only; a bake is recorded by the session that
// began it, which needs no lock for that.
package proxy

import (
	"fmt"
	"time"

	"bgctl/internal/bluegreen"
)

// Protocol is the version of the agent's protocol. A client refuses another one.
const Protocol = 1

// level counts what was added to the protocol since. An agent names its level in the
// greeting; a missing one is 1. With level 2 came: alive and cancel, standing,
// configure, the answer to verify, and the operation of end-bake.
const level = 2

// The places inside the proxy's container.
const (
	StateDir  = "/var/lib/bgctl"
	LogDir    = "/var/log/bgctl"
	AccessLog = LogDir + "/access.log"
)

// request is one line from the client.
type request struct {
	Op        string                   `json:"op"`
	Pool      bluegreen.Pool           `json:"pool,omitempty"`
	N         int                      `json:"n,omitempty"`
	Timeout   time.Duration            `json:"timeout,omitempty"` // probe: of each request
	Mode      bluegreen.FaultMode      `json:"mode,omitempty"`
	Holder    *bluegreen.Holder        `json:"holder,omitempty"`
	Entry     *bluegreen.Operation     `json:"entry,omitempty"`
	Fault     *bluegreen.Fault         `json:"fault,omitempty"`
	Solo      *bluegreen.Solo          `json:"solo,omitempty"`
	Bake      *bluegreen.Bake          `json:"bake,omitempty"`
	Standing  *bluegreen.Standing      `json:"standing,omitempty"`
	Config    *bluegreen.Configuration `json:"config,omitempty"`
	Operation string                   `json:"operation,omitempty"` // end-bake: of which operation; "" is any
	Addrs     []string                 `json:"addrs,omitempty"`
}

// response is one line from the agent.
type response struct {
	Protocol int                     `json:"protocol,omitempty"` // only in the greeting
	Level    int                     `json:"level,omitempty"`    // only in the greeting
	Version  string                  `json:"version,omitempty"`  // only in the greeting
	Error    string                  `json:"error,omitempty"`
	NoChaos  bool                    `json:"no_chaos,omitempty"`    // chaos: the error is [bluegreen.ErrNoChaos]
	Setting  bool                    `json:"bad_setting,omitempty"` // configure: the error is a [bluegreen.SettingError]
	NoLock   bool                    `json:"no_lock,omitempty"`     // the error is a [LockNeededError]
	Locked   *bluegreen.Holder       `json:"locked,omitempty"`      // lock: who has it
	Status   *bluegreen.RouterStatus `json:"status,omitempty"`
	Pool     bluegreen.Pool          `json:"pool,omitempty"`
	Answer   *bluegreen.ProbeResult  `json:"answer,omitempty"` // verify
	Probes   []bluegreen.ProbeResult `json:"probes,omitempty"`
	N        int                     `json:"n,omitempty"`
	Stands   bool                    `json:"stands,omitempty"`  // update-bake: the record was still there
	Changed  []string                `json:"changed,omitempty"` // configure
	Ops      []bluegreen.Operation   `json:"ops,omitempty"`
}

// The operations of the protocol. Alive and cancel are not answered.
const (
	opAlive       = "alive"  // the client lives
	opCancel      = "cancel" // the client gives up the request under way, whose answer it still reads
	opStatus      = "status"
	opLock        = "lock"
	opUnlock      = "unlock"
	opRoute       = "route"
	opProbe       = "probe"
	opVerify      = "verify"
	opBegin       = "begin"
	opFinish      = "finish"
	opSetFault    = "set-fault"
	opClearFault  = "clear-fault"
	opChaos       = "chaos"
	opSolo        = "solo"
	opSetStanding = "set-standing"
	opConfigure   = "configure"
	opInFlight    = "in-flight"
	opBeginBake   = "begin-bake"
	opUpdateBake  = "update-bake"
	opEndBake     = "end-bake"
	opHistory     = "history"
)

// A client says every aliveEvery that it lives, also while it waits for an answer. Its
// host may vanish without closing the connection: an agent that has heard that its
// client is of this kind ends after silenceLimit without a word.
//
// An older client says nothing while it has nothing to ask. Its agent ends after
// idleLimit, but not while it holds the lock or watches a bake: the client may be
// waiting for the end of a fault or for a pull. The connection's own keep-alive bounds that.
const (
	aliveEvery   = 5 * time.Second
	silenceLimit = 30 * time.Second
	idleLimit    = 15 * time.Minute
)

// unknownRequest begins the answer to a request that the agent does not know.
const unknownRequest = "unknown request"

// OutdatedError says that the agent in the container is older than this command.
type OutdatedError struct{ Op string }

// Error implements error.
func (e *OutdatedError) Error() string {
	return fmt.Sprintf("the proxy runs an older bgctl, which does not know %q; renew it: bgctl up --upgrade", e.Op)
}

// LockNeededError says that a record was to be changed without the deployment's lock.
type LockNeededError struct{ Op string }

// Error implements error.
func (e *LockNeededError) Error() string {
	return fmt.Sprintf("the proxy's agent refuses %q without the deployment's lock: nothing was changed; run the command again", e.Op)
}

// VersionError says that the agent in the container speaks another protocol.
type VersionError struct {
	Agent    string // the agent's bgctl version
	Protocol int
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("the proxy runs bgctl %s, which speaks protocol %d instead of %d; renew it: bgctl up", e.Agent, e.Protocol, Protocol)
}
