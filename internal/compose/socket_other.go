//go:build !unix

package compose

// socketGroup is empty where sockets have no owning group.
func socketGroup(string) string { return "" }
