package proxy

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// established is the state of a connection in /proc/net/tcp, see the kernel's
// include/net/tcp_states.h.
const established = "01"

// CountConnections counts the established connections to any of addrs in tables as
// /proc/net/tcp and /proc/net/tcp6 have them. nginx keeps a connection for
// UPSTREAM_KEEPALIVE after its last request, so that the count reaches 0 only some
// seconds after the last answer, and never before it.
func CountConnections(addrs []string, tables ...string) (int, error) {
	wanted := map[netip.Addr]bool{}
	for _, text := range addrs {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return 0, fmt.Errorf("count connections: %w", err)
		}
		wanted[addr.Unmap()] = true
	}
	n := 0
	for _, table := range tables {
		f, err := os.Open(table) //nolint:gosec // one of two fixed names, or a test's
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return 0, fmt.Errorf("count connections: %w", err)
		}
		found, err := countIn(f, wanted)
		if err := errors.Join(err, f.Close()); err != nil {
			return 0, fmt.Errorf("count connections in %s: %w", table, err)
		}
		n += found
	}
	return n, nil
}

// countIn counts the lines of one table.
func countIn(r io.Reader, wanted map[netip.Addr]bool) (int, error) {
	lines := bufio.NewScanner(r)
	lines.Scan() // the head of the table
	n := 0
	for lines.Scan() {
		// sl local_address rem_address st …
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != established {
			continue
		}
		if addr, ok := remoteAddr(fields[2]); ok && wanted[addr] {
			n++
		}
	}
	return n, lines.Err()
}

// remoteAddr reads "0A00000A:0BB8": the address as words in the host's byte order.
func remoteAddr(field string) (netip.Addr, bool) {
	text, _, _ := strings.Cut(field, ":")
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw)%4 != 0 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return addr.Unmap(), ok
}
