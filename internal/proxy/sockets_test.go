package proxy_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"bgctl/internal/proxy"
)

const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 1 1 0 100 0 0 10 0
   1: 0200000A:9C40 0300000A:0BB8 01 00000000:00000000 00:00000000 00000000   101        0 2 1 0 20 4 30 10 -1
   2: 0200000A:9C42 0300000A:0BB8 01 00000000:00000000 00:00000000 00000000   101        0 3 1 0 20 4 30 10 -1
   3: 0200000A:9C44 0300000A:0BB8 06 00000000:00000000 03:00000C61 00000000     0        0 0 3 0 20 4 30 10 -1
   4: 0200000A:9C46 0400000A:0BB8 01 00000000:00000000 00:00000000 00000000   101        0 4 1 0 20 4 30 10 -1
   5: nonsense
`

func TestCountConnections(t *testing.T) {
	table := filepath.Join(t.TempDir(), "tcp")
	if err := os.WriteFile(table, []byte(tcpTable), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		addrs []string
		want  int
	}{
		"established ones only":   {[]string{"10.0.0.3"}, 2},
		"every address counts":    {[]string{"10.0.0.3", "10.0.0.4"}, 3},
		"IPv4 in an IPv6 address": {[]string{"::ffff:10.0.0.4"}, 1},
		"another address":         {[]string{"10.0.0.9"}, 0},
		"no address":              {nil, 0},
	} {
		n, err := proxy.CountConnections(tt.addrs, table, filepath.Join(t.TempDir(), "missing"))
		if err != nil || n != tt.want {
			t.Errorf("%s: %d, %v; want %d", name, n, err, tt.want)
		}
	}
	if _, err := proxy.CountConnections([]string{"app_green"}, table); err == nil {
		t.Error("a name was taken for an address")
	}
}

func TestCountConnections_ReadsTheKernelsTable(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.87:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	count := func() int {
		n, err := proxy.CountConnections([]string{"127.0.0.87"}, "/proc/net/tcp", "/proc/net/tcp6")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n != 1 {
		t.Errorf("with one connection open: %d", n)
	}
	_ = c.Close()
	if n := count(); n != 0 {
		t.Errorf("after it was closed: %d", n)
	}
}
