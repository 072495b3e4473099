package logstream

import (
	"strings"
	"unicode/utf8"
)

// textLine splits a line of nginx's combined or common format:
//
//	addr - user [time] "request" status bytes "referer" "agent"
//
// What follows the bytes of a combined line is not looked at: formats that add to
// it are read as well. It fills the same fields as the JSON formats do.
func textLine(line string, f *fields) (kind formatKind, ok bool) {
	line = strings.TrimRight(line, " \t\r")
	addr := strings.IndexByte(line, ' ')
	// A user name may hold spaces and brackets, but the first time in brackets that
	// a quote follows is nginx's.
	open := strings.Index(line, " [")
	shut := strings.Index(line, `] "`)
	if addr <= 0 || open < addr || shut < open+2 {
		return 0, false
	}
	request := shut + len(`] "`)
	end, coded := textEnd(line, request)
	status := end + len(`" `)
	if end < 0 || len(line) < status+len("200 0") || line[end+1] != ' ' || line[status+3] != ' ' {
		return 0, false
	}
	size := status + len("200 ")
	sizeEnd := size + len(line[size:])
	kind = kindCommon
	if i := strings.IndexByte(line[size:], ' '); i >= 0 {
		kind, sizeEnd = kindCombined, size+i
	}
	if !isStatus(line[status:status+3]) || !isSize(line[size:sizeEnd]) {
		return 0, false
	}
	*f = fields{line: line}
	f.put(fieldRemoteAddr, 0, addr)
	f.put(fieldTime, open+2, shut)
	f.put(fieldRequest, request, end)
	f.put(fieldStatus, status, status+3)
	f.put(fieldBytesSent, size, sizeEnd)
	if coded {
		f.coded = 1 << fieldRequest
	}
	return kind, true
}

// isStatus: nginx writes 000 for a request that it never answered.
func isStatus(s string) bool { return s == "000" || parseStatus(s) != 0 }

func isSize(s string) bool {
	return s == "-" || s != "" && strings.Trim(s, "0123456789") == ""
}

// textEnd returns where the quoted text at pos ends, and whether it has escapes or
// bytes above ASCII. It returns -1 when it does not end.
func textEnd(s string, pos int) (end int, coded bool) {
	for i := pos; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i, coded
		case c == '\\':
			coded = true
			i++
		case c >= utf8.RuneSelf:
			coded = true
		}
	}
	return -1, false
}

// decodeText appends the text that a value in default escaping stands for: \xHH is
// a byte, and a backslash in front of anything else is dropped, as Apache writes it.
func decodeText(dst []byte, raw string) []byte {
	start := len(dst)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' || i+1 == len(raw) {
			dst = append(dst, c)
			continue
		}
		i++
		if raw[i] == 'x' && i+2 < len(raw) {
			if b, ok := hexPair(raw[i+1:]); ok {
				dst = append(dst, b)
				i += 2
				continue
			}
		}
		dst = append(dst, raw[i])
	}
	if utf8.Valid(dst[start:]) {
		return dst
	}
	return append(dst[:start], strings.ToValidUTF8(string(dst[start:]), "\uFFFD")...)
}
