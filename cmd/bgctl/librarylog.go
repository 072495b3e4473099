package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/sirupsen/logrus"
)

// libraryLog prints what the libraries log, as warnings of this program and each text
// once: compose-go warns at every place that uses a variable which is not set.
type libraryLog struct {
	mu   sync.Mutex
	w    io.Writer
	said map[string]bool
}

// takeLibraryLog has the logger of the libraries print to w.
func takeLibraryLog(w io.Writer) {
	log := logrus.StandardLogger()
	log.SetLevel(logrus.WarnLevel)
	log.SetFormatter(&libraryLog{})
	log.SetOutput(&libraryLog{w: w, said: map[string]bool{}})
}

// Format implements [logrus.Formatter].
func (l *libraryLog) Format(entry *logrus.Entry) ([]byte, error) {
	text := entry.Message
	if err, ok := entry.Data[logrus.ErrorKey]; ok {
		text = fmt.Sprintf("%s: %v", text, err)
	}
	return []byte("warning: " + clean(text) + "\n"), nil
}

// Write implements io.Writer; it is called once for each entry.
func (l *libraryLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said[string(line)] {
		return len(line), nil
	}
	l.said[string(line)] = true
	return l.w.Write(line)
}
