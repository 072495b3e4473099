// Package proxy is the nginx side of a deployment: the configuration nginx runs
// with, the state directory that steers it, and the agent that works on both
// from inside the proxy's container.
//
// The state directory is the only truth about the active pool:
//
//	active/blue | active/green   exactly one flag file; a switch is one rename(2)
//	seed                         ACTIVE_POOL at the last start; also the sentinel
//	                             that tells "blue" from "volume missing"
//	lock                         flock'ed by whoever changes the deployment
//	operation.json               the operation under way, or cut off
//	solo                         a pool is kept out of the failover: nginx tests it
//	bake.json, bake.lock         a new release is watched; flock'ed by who does
//	journal.ndjson               finished operations, newest last, bounded
//	faults/<pool>.json           injected faults and how to undo them
//
// [Agent] serves requests on one connection, normally the standard streams of a
// process started in the container; [Session] is its client and implements
// [bluegreen.Router]. The lock belongs to the agent's process: a client that dies
// closes the stream, the agent ends, and the kernel releases the lock.
package proxy

import (
	"fmt"
	"time"

	"bgctl/internal/bluegreen"
)

// Protocol is the version of the agent's protocol. A client refuses another one.
const Protocol = 1

// The places inside the proxy's container.
const (
	StateDir  = "/var/lib/bgctl"
	LogDir    = "/var/log/bgctl"
	AccessLog = LogDir + "/access.log"
)

// request is one line from the client.
type request struct {
	Op     string               `json:"op"`
	Pool   bluegreen.Pool       `json:"pool,omitempty"`
	N      int                  `json:"n,omitempty"`
	Mode   bluegreen.FaultMode  `json:"mode,omitempty"`
	Holder *bluegreen.Holder    `json:"holder,omitempty"`
	Entry  *bluegreen.Operation `json:"entry,omitempty"`
	Fault  *bluegreen.Fault     `json:"fault,omitempty"`
	Solo   *bluegreen.Solo      `json:"solo,omitempty"`
	Bake   *bluegreen.Bake      `json:"bake,omitempty"`
	Addrs  []string             `json:"addrs,omitempty"`
}

// response is one line from the agent.
type response struct {
	Protocol int                     `json:"protocol,omitempty"` // only in the greeting
	Version  string                  `json:"version,omitempty"`  // only in the greeting
	Error    string                  `json:"error,omitempty"`
	NoChaos  bool                    `json:"no_chaos,omitempty"` // chaos: the error is [bluegreen.ErrNoChaos]
	Locked   *bluegreen.Holder       `json:"locked,omitempty"`   // lock: who has it
	Status   *bluegreen.RouterStatus `json:"status,omitempty"`
	Pool     bluegreen.Pool          `json:"pool,omitempty"`
	Probes   []bluegreen.ProbeResult `json:"probes,omitempty"`
	N        int                     `json:"n,omitempty"`
	Stands   bool                    `json:"stands,omitempty"` // update-bake: the record was still there
	Ops      []bluegreen.Operation   `json:"ops,omitempty"`
}

// The operations of the protocol.
const (
	opStatus     = "status"
	opLock       = "lock"
	opUnlock     = "unlock"
	opRoute      = "route"
	opProbe      = "probe"
	opVerify     = "verify"
	opBegin      = "begin"
	opFinish     = "finish"
	opSetFault   = "set-fault"
	opClearFault = "clear-fault"
	opChaos      = "chaos"
	opSolo       = "solo"
	opInFlight   = "in-flight"
	opBeginBake  = "begin-bake"
	opUpdateBake = "update-bake"
	opEndBake    = "end-bake"
	opHistory    = "history"
)

// idleLimit ends an agent that holds the lock and hears nothing: its client's
// host may have vanished without closing the connection.
const idleLimit = 15 * time.Minute

// unknownRequest begins the answer to a request that the agent does not know.
const unknownRequest = "unknown request"

// OutdatedError says that the agent in the container is older than this command.
type OutdatedError struct{ Op string }

// Error implements error.
func (e *OutdatedError) Error() string {
	return fmt.Sprintf("the proxy runs an older bgctl, which does not know %q; renew it: bgctl up", e.Op)
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
