package doctor

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// dialLimit bounds one connection, the TLS handshake included.
const dialLimit = 4 * time.Second

// Dial connects to addr, proves its certificate where the scheme has one, and hangs up.
func Dial(ctx context.Context, addr string, scheme Scheme) error {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	dial := (&net.Dialer{}).DialContext
	if scheme == HTTPS {
		dial = (&tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12}}).DialContext
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
