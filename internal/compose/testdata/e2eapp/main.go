// Command e2eapp is the only program in the images of the e2e tests.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	mode := "serve"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "health":
		client := http.Client{Timeout: time.Second}
		answer, err := client.Get("http://127.0.0.1:3000/")
		if err != nil || answer.StatusCode != http.StatusOK {
			fmt.Println("no good answer:", err)
			os.Exit(1)
		}
	case "resolve":
		answer, err := http.Get("http://" + os.Args[2] + ":3000/")
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(answer.StatusCode - http.StatusOK)
	case "cat":
		content, err := os.ReadFile(os.Args[2])
		fmt.Print(string(content))
		if err != nil || (len(os.Args) > 3 && string(content) != os.Args[3]) {
			fmt.Println(err)
			os.Exit(1)
		}
	case "fail":
		fmt.Println("cannot start: no configuration")
		os.Exit(3)
	default:
		done := make(chan os.Signal, 1)
		signal.Notify(done, syscall.SIGTERM, syscall.SIGQUIT)
		go func() {
			<-done
			if pause, err := time.ParseDuration(os.Getenv("SLOW_STOP")); err == nil {
				time.Sleep(pause)
			}
			os.Exit(0)
		}()
		status := http.StatusOK
		if os.Getenv("SICK") != "" {
			status = http.StatusInternalServerError
		}
		fmt.Println("serving")
		listen := os.Getenv("LISTEN")
		if listen == "" {
			listen = ":3000"
		}
		_ = http.ListenAndServe(listen, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintln(w, os.Getenv("ACTIVE_POOL"))
		}))
	}
}
