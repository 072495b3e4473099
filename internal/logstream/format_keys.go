package logstream

// field numbers what the parser understands of a line.
type field uint8

const (
	fieldNone field = iota
	fieldMsec       // the time, preferred
	fieldTime       // the time in whole seconds
	fieldRemoteAddr
	fieldRequest
	fieldMethod
	fieldURI
	fieldStatus
	fieldUpstreamStatus
	fieldUpstreamAddr
	fieldRequestTime
	fieldUpstreamTime
	fieldPool
	fieldRelease
	fieldActive
	fieldRequestID
	fieldBytesSent
	fieldUpstreamPool
	fieldCount
)

// keySet lists the keys of one field, the proxy's own first ("" where it has
// none) and the others from the most to the least telling.
type keySet struct {
	field field
	name  string // in field=key
	keys  []string
}

// keySets is the dictionary of keys. A dot between an object and its member, a
// dash and an underscore are the same. Keys match exactly otherwise: encoding/json
// also takes "STATUS" for "status", but no log_format has both.
func keySets() []keySet {
	return []keySet{
		{fieldMsec, "time", []string{"msec"}},
		{fieldTime, "local_time", []string{
			"time_local", "time_iso8601", "@timestamp", "timestamp", "time", "ts", "datetime", "date",
		}},
		{fieldRemoteAddr, "remote_addr", []string{
			"remote_addr", "remote_ip", "client_ip", "client_addr", "client_address", "client", "ip", "remote",
			"realip_remote_addr", "source_ip",
		}},
		{fieldRequest, "request", []string{"request", "request_line", "http_request"}},
		{fieldMethod, "method", []string{
			"", "request_method", "method", "http_method", "http_request_method", "verb",
		}},
		{fieldURI, "uri", []string{
			"", "request_uri", "uri", "url", "path", "request_path", "http_uri", "http_url", "url_path", "url_original",
		}},
		{fieldStatus, "status", []string{
			"status", "status_code", "response_status", "http_status", "http_status_code", "response_code",
			"response_status_code", "http_response_status_code", "response", "code",
		}},
		{fieldUpstreamStatus, "upstream_status", []string{"upstream_status", "upstream_status_code", "upstream_code"}},
		{fieldUpstreamAddr, "upstream_addr", []string{
			"upstream_addr", "upstream_address", "upstream_host", "upstream", "backend", "backend_addr",
		}},
		{fieldRequestTime, "request_time", []string{
			"request_time", "duration", "response_time", "request_duration", "elapsed", "latency",
		}},
		{fieldUpstreamTime, "upstream_response_time", []string{
			"upstream_response_time", "upstream_time", "upstream_duration",
		}},
		{fieldPool, "pool", []string{
			"pool", "x_app_pool", "upstream_http_x_app_pool", "sent_http_x_app_pool", "http_x_app_pool", "app_pool",
			"upstream_http_pool", "backend_pool", "upstream.pool",
		}},
		{fieldRelease, "release", []string{
			"release", "x_release_id", "upstream_http_x_release_id", "sent_http_x_release_id", "http_x_release_id",
			"release_id", "version",
		}},
		{fieldActive, "active", []string{"active", "active_pool"}},
		{fieldRequestID, "request_id", []string{
			"request_id", "http_x_request_id", "x_request_id", "req_id", "trace_id",
		}},
		{fieldBytesSent, "bytes_sent", []string{
			"bytes_sent", "body_bytes_sent", "bytes", "size", "response_size", "http_response_body_bytes",
		}},
		{fieldUpstreamPool, "upstream_pool", []string{"upstream_pool", "proxy_host", "upstream_name"}},
	}
}

func fieldNames() []string {
	var out []string
	for _, set := range keySets() {
		out = append(out, set.name)
	}
	return out
}

func fieldNamed(name string) (field, bool) {
	for _, set := range keySets() {
		if set.name == name {
			return set.field, true
		}
	}
	return fieldNone, false
}
