package synth

import (
	"strconv"
	"strings"
)

// writers returns how each style writes a request.
func writers() map[Style]func([]byte, *request) []byte {
	return map[Style]func([]byte, *request) []byte{
		Ours: ourLine, Short: shortLine, Reference: referenceLine, Combined: combinedLine, Foreign: foreignLine,
	}
}

const (
	localLayout = "02/Jan/2006:15:04:05 -0700"
	isoLayout   = "2006-01-02T15:04:05-07:00"
)

func pair(dst []byte, before, value string) []byte {
	return append(append(dst, before...), value...)
}

func msec(dst []byte, r *request) []byte {
	ms := r.at.UnixMilli()
	dst = strconv.AppendInt(dst, ms/1000, 10)
	return append(append(dst, '.'), threeDigits(int(ms%1000))...)
}

func ourLine(dst []byte, r *request) []byte {
	dst = append(dst, `{"time_local":"`...)
	dst = r.at.AppendFormat(dst, localLayout)
	dst = msec(append(dst, `","msec":"`...), r)
	dst = pair(dst, `","remote_addr":"`, r.client)
	dst = requestLine(append(dst, `","request":"`...), r)
	dst = pair(dst, `","status":"`, r.status)
	dst = pair(dst, `","upstream_status":"`, r.upStatus)
	dst = pair(dst, `","upstream_addr":"`, r.upAddr)
	dst = pair(dst, `","request_time":"`, r.took)
	dst = pair(dst, `","upstream_response_time":"`, r.upTook)
	dst = pair(dst, `","pool":"`, r.pool)
	dst = pair(dst, `","release":"`, r.release)
	dst = pair(dst, `","active":"`, r.active)
	dst = pair(dst, `","request_id":"`, r.id)
	dst = pair(dst, `","bytes_sent":"`, r.bytes)
	return append(dst, `"}`...)
}

func shortLine(dst []byte, r *request) []byte {
	dst = msec(append(dst, `{"msec":"`...), r)
	dst = pair(dst, `","remote_addr":"`, r.client)
	dst = requestLine(append(dst, `","request":"`...), r)
	dst = pair(dst, `","status":"`, r.status)
	dst = pair(dst, `","upstream_status":"`, r.upStatus)
	dst = pair(dst, `","upstream_addr":"`, r.upAddr)
	dst = pair(dst, `","request_time":"`, r.took)
	dst = pair(dst, `","pool":"`, r.pool)
	dst = pair(dst, `","release":"`, r.release)
	dst = pair(dst, `","active":"`, r.active)
	dst = pair(dst, `","bytes_sent":"`, r.bytes)
	return append(dst, `"}`...)
}

func referenceLine(dst []byte, r *request) []byte {
	dst = append(dst, `{"time_local":"`...)
	dst = r.at.AppendFormat(dst, localLayout)
	dst = pair(dst, `","remote_addr":"`, r.client)
	dst = requestLine(append(dst, `","request":"`...), r)
	dst = pair(dst, `","status":`, r.status)
	dst = pair(dst, `,"upstream_status":"`, r.upStatus)
	dst = pair(dst, `","pool":"`, r.pool)
	dst = pair(dst, `","release":"`, r.release)
	return append(dst, `"}`...)
}

func combinedLine(dst []byte, r *request) []byte {
	dst = pair(dst, r.client, " - - [")
	dst = r.at.AppendFormat(dst, localLayout)
	dst = pair(dst, `] "`, r.method+" "+strings.ReplaceAll(r.path, `\"`, `\x22`)+" HTTP/1.1")
	dst = pair(dst, `" `, r.status)
	dst = pair(dst, " ", r.bytes)
	dst = pair(dst, ` "-" "`, r.agent)
	return append(dst, '"')
}

func foreignLine(dst []byte, r *request) []byte {
	dst = append(dst, `{"@timestamp": "`...)
	dst = r.at.AppendFormat(dst, isoLayout)
	dst = pair(dst, `", "client_ip": "`, r.client)
	dst = pair(dst, `", "http": {"method": "`, r.method)
	dst = pair(dst, `", "uri": "`, r.path)
	dst = pair(dst, `", "status": `, r.status)
	dst = pair(dst, `, "agent": "`, r.agent)
	dst = pair(dst, `"}, "upstream": {"addr": "`, r.upAddr)
	dst = pair(dst, `", "status": "`, r.upStatus)
	dst = pair(dst, `", "response_time": "`, r.upTook)
	dst = pair(dst, `", "pool": "`, r.pool)
	dst = pair(dst, `"}, "request_time": `, r.took)
	dst = pair(dst, `, "bytes_sent": `, r.bytes)
	return append(dst, '}')
}

func requestLine(dst []byte, r *request) []byte {
	dst = append(append(dst, r.method...), ' ')
	return append(append(dst, r.path...), " HTTP/1.1"...)
}
