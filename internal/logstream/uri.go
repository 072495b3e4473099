package logstream

import (
	"regexp"
	"strings"
)

// HideQuery returns a request's URI without what only its client and the application
// may know: the values of the query, the parameters of a path and the user of an
// absolute URI become "…". Path and names stay. A URI passes it where it leaves the
// record for a file, a message or an answer over the network; the record itself keeps
// what the log has, for the operator who looks at that log.
func HideQuery(uri string) string {
	path, query := uri, ""
	// An application may take an escaped question mark for one.
	if i := strings.IndexByte(uri, '?'); i >= 0 {
		path, query = uri[:i], uri[i:]
	}
	if m := escapedMark.FindStringIndex(path); m != nil {
		path, query = uri[:m[0]], uri[m[0]:]
	}
	if i := strings.IndexByte(path, '#'); i >= 0 && path[i:] != "#"+hiddenValue {
		return HideQuery(path[:i]) + "#" + hiddenValue // no browser sends a fragment
	}
	path = hideParameters(hideUser(path))
	if query == "" {
		return path
	}
	mark := query[:1]
	if mark == "%" {
		mark = query[:3]
	}
	return path + mark + hideValues(query[len(mark):])
}

const hiddenValue = "…"

var (
	escapedMark = regexp.MustCompile(`(?i)%3f`)
	// parameterName is a name that may be shown: a longer one may be a token without a name.
	parameterName = regexp.MustCompile(`^[\w.\-\[\]%+:]{1,40}$`)
)

// hideUser hides the user and password of an absolute URI.
func hideUser(path string) string {
	scheme, rest, ok := strings.Cut(path, "://")
	if !ok {
		return path
	}
	end := len(rest)
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		end = i
	}
	if i := strings.LastIndexByte(rest[:end], '@'); i >= 0 {
		return scheme + "://" + hiddenValue + rest[i:]
	}
	return path
}

// hideParameters hides the values of parameters in a path: /cart;jsessionid=….
func hideParameters(path string) string {
	if !strings.Contains(path, ";") {
		return path
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		name, parameters, ok := strings.Cut(segment, ";")
		if ok {
			segments[i] = name + ";" + hideValues(parameters)
		}
	}
	return strings.Join(segments, "/")
}

// hideValues hides the values of a query. A part without a name is one.
func hideValues(query string) string {
	var out strings.Builder
	for query != "" {
		part, separator := query, ""
		if i := strings.IndexAny(query, "&;"); i >= 0 {
			part, separator = query[:i], query[i:i+1]
		}
		query = query[len(part)+len(separator):]
		name, value, named := strings.Cut(part, "=")
		switch {
		case part == "":
		case !named || !parameterName.MatchString(name):
			out.WriteString(hiddenValue)
		case value == "":
			out.WriteString(name + "=")
		default:
			out.WriteString(name + "=" + hiddenValue)
		}
		out.WriteString(separator)
	}
	return out.String()
}
