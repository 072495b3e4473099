// Command probe is what runs in the containers of the engine tests: an image
// from scratch has no shell.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	command, args := "serve", os.Args[1:]
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "serve":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		<-signals
	case "health":
		fmt.Print("feeling fine")
	case "cat":
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "say": // stdout, stderr, exit code
		fmt.Print(args[0])
		fmt.Fprint(os.Stderr, args[1])
		code, _ := strconv.Atoi(args[2])
		os.Exit(code)
	case "spew": // lines, bytes per line
		lines, _ := strconv.Atoi(args[0])
		size, _ := strconv.Atoi(args[1])
		out := bufio.NewWriterSize(os.Stdout, 64<<10)
		line := strings.Repeat("x", size-1) + "\n"
		for range lines {
			_, _ = out.WriteString(line)
		}
		_ = out.Flush()
	case "write":
		if err := os.WriteFile(args[0], []byte(args[1]), 0o600); err != nil {
			fmt.Fprint(os.Stderr, err)
			os.Exit(1)
		}
	case "log":
		fmt.Println("first")
		fmt.Fprintln(os.Stderr, "second")
		fmt.Println(strings.Repeat("long", 10000))
		fmt.Print("no end")
	case "hang": // ignores stdin
		time.Sleep(time.Hour)
	}
}
