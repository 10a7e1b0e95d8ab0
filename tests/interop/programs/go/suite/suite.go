// Package suite is what the Go programs share: checks that end a test, and the loop over the tests of one client.
package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

const patience = 30 * time.Second

// Address is the broker's.
var Address string

// Test is a scenario; it gets a name that no other test uses, for its topics and groups.
type Test struct {
	Name string
	Run  func(topic string)
}

func Must(err error) {
	if err != nil {
		panic(err)
	}
}

// Expect compares as text, so that numbers of any type are equal.
func Expect(actual, wanted any, what string) {
	a, w := fmt.Sprint(actual), fmt.Sprint(wanted)
	if a != w {
		panic(fmt.Sprintf("%s: expected %.300s, got %.300s", what, w, a))
	}
}

func Until(what string, check func() bool) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if check() {
			return
		}
	}
	panic(fmt.Sprint("not within ", patience, ": ", what))
}

func Within() context.Context {
	c, _ := context.WithTimeout(context.Background(), patience)
	return c
}

// Main runs the tests with the arguments ADDRESS PREFIX [TEST], prints a line of JSON for each, and exits.
func Main(tests ...Test) {
	Address = os.Args[1]
	prefix, only := os.Args[2], strings.Join(os.Args[3:], " ")
	code := 0
	for _, t := range tests {
		if !strings.Contains(t.Name, only) {
			continue
		}
		began := time.Now()
		outcome, detail := try(t, prefix+"-"+strings.ReplaceAll(t.Name, "_", "-"))
		if outcome == "failed" {
			code = 1
		}
		text, _ := json.Marshal(detail)
		fmt.Printf("{\"test\": %q, \"outcome\": %q, \"seconds\": %.2f, \"detail\": %s}\n", t.Name, outcome, time.Since(began).Seconds(), text)
	}
	os.Exit(code)
}

func try(t Test, topic string) (outcome, detail string) {
	outcome = "passed"
	defer func() {
		if r := recover(); r != nil {
			outcome, detail = "failed", fmt.Sprint(r)
		}
	}()
	t.Run(topic)
	return
}
