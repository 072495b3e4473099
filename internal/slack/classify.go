package slack

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Action is what to do after one attempt to deliver.
type Action uint8

// The actions.
const (
	Delivered Action = iota + 1 // the receiver confirmed the message
	Retry                       // transient: try again with growing pauses
	Throttled                   // the receiver asked to wait: nothing may be sent meanwhile
	Rejected                    // this message is refused as it is; another one may pass
	Broken                      // the receiver refuses everything until somebody repairs it
	Refused                     // refused in every form: drop it
)

// String returns the action in words.
func (a Action) String() string {
	switch a {
	case Delivered:
		return "delivered"
	case Retry:
		return "retry"
	case Throttled:
		return "throttled"
	case Rejected:
		return "rejected"
	case Broken:
		return "broken"
	case Refused:
		return "refused"
	}
	return "unknown"
}

// Waits of the outcome table.
const (
	revokedProbe = 15 * time.Minute // 403, 404, 410: somebody removed the webhook
	portalProbe  = 5 * time.Minute  // something that is not Slack answered
	maxThrottle  = time.Hour
	minThrottle  = time.Second
)

// Outcome is one attempt's result.
type Outcome struct {
	Action Action
	// Wait is the least pause before the next attempt. Zero with Retry and
	// Throttled means that the receiver named none.
	Wait   time.Duration
	Reason string // for people; free of the webhook's secret after [Client.Post]
	// MaybeSent is set when the request went out whole and no verdict came back.
	MaybeSent bool
}

// slackToken is how Slack words its verdicts. Nothing else of a body is quoted:
// a portal's page may echo the request.
var slackToken = regexp.MustCompile(`^[a-z][a-z_]{1,48}$`)

// Classify says what an answer of Slack, or the lack of one, means. It is pure:
// a Retry-After date is read against the answer's own Date header.
func Classify(status int, header http.Header, body []byte, err error) Outcome {
	if err != nil {
		return Outcome{Action: Retry, Reason: transportReason(err)}
	}
	text := strings.TrimSpace(string(body))
	reason := answerReason(status, text)
	switch {
	case status == http.StatusOK && text == "ok":
		return Outcome{Action: Delivered, Reason: "ok"}
	case status == http.StatusTooManyRequests:
		return Outcome{Action: Throttled, Wait: throttle(header, body), Reason: reason}
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		return Outcome{
			Action: Retry, Reason: reason, Wait: after(header),
			// The gateway gave up waiting, not the server behind it.
			MaybeSent: status == http.StatusGatewayTimeout,
		}
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge,
		status == http.StatusUnsupportedMediaType, status == http.StatusUnprocessableEntity:
		return Outcome{Action: Rejected, Reason: reason}
	case status == http.StatusForbidden, status == http.StatusNotFound, status == http.StatusGone:
		return Outcome{Action: Broken, Wait: revokedProbe, Reason: reason}
	}
	return Outcome{Action: Broken, Wait: portalProbe, Reason: reason}
}

// ClassifyAny is [Classify] for a receiver of plain JSON: any 2xx is success, and
// there is no simpler form to fall back to.
func ClassifyAny(status int, header http.Header, body []byte, err error) Outcome {
	if err == nil && status >= 200 && status < 300 {
		return Outcome{Action: Delivered, Reason: "HTTP " + strconv.Itoa(status)}
	}
	out := Classify(status, header, body, err)
	if out.Action == Rejected {
		out.Action = Refused
	}
	return out
}

func answerReason(status int, text string) string {
	reason := "HTTP " + strconv.Itoa(status)
	switch {
	case slackToken.MatchString(text):
		reason += " " + text
	case status == http.StatusOK && text == "":
		reason += " with an empty body instead of ok"
	case status == http.StatusOK:
		reason += " with a body that is not ok: a proxy or a portal answered"
	case status >= 300 && status < 400:
		reason += ": a redirect, which is not followed"
	}
	return reason
}

// throttle returns how long a 429 asks to wait: the longest of header and body,
// within 1 s and 1 h. Zero means that it did not say.
func throttle(header http.Header, body []byte) time.Duration {
	wait, said := retryAfter(header)
	var answer struct {
		RetryAfter *float64 `json:"retry_after"`
	}
	if json.Unmarshal(body, &answer) == nil && answer.RetryAfter != nil {
		wait, said = max(wait, seconds(*answer.RetryAfter)), true
	}
	if !said {
		return 0
	}
	return min(max(wait, minThrottle), maxThrottle)
}

// after returns a Retry-After next to a transient status, at most 1 h.
func after(header http.Header) time.Duration {
	wait, _ := retryAfter(header)
	return min(max(wait, 0), maxThrottle)
}

// retryAfter reads seconds or an HTTP date. False means absent or unreadable.
func retryAfter(header http.Header) (time.Duration, bool) {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) {
		return seconds(v), true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return at.Sub(now), true
}

// seconds converts without overflowing: a server may say 1e12.
func seconds(v float64) time.Duration {
	limit := (2 * maxThrottle).Seconds()
	return time.Duration(min(max(v, -limit), limit) * float64(time.Second))
}

// transportReason words an error without the URL that [url.Error] carries.
func transportReason(err error) string {
	var outer *url.Error
	for errors.As(err, &outer) {
		err = outer.Err
	}
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		op   *net.OpError
	)
	switch {
	case errors.As(err, &dns):
		return "cannot resolve the host: " + dns.Err
	case errors.As(err, &cert):
		return "TLS certificate not accepted: " + cert.Err.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), timedOut(err):
		return "timed out"
	case errors.Is(err, context.Canceled):
		return "stopped while sending"
	case errors.As(err, &op):
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

func timedOut(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
