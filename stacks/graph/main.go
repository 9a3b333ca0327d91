// Command graph draws a stack from the program itself: a Mermaid diagram, or the list of
// its resources as JSON.
//
//	go run ./stacks/graph -stack Pulumi.primary.yaml
//	go run ./stacks/graph -stack Pulumi.dr.yaml -failover f1 -json
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"lifeboat/stacks/inventory"
	"lifeboat/stacks/program"
	"lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "graph:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("graph", flag.ContinueOnError)
	file := flags.String("stack", "Pulumi.primary.yaml", "the stack's configuration file")
	failover := flags.String("failover", "", "draw the failover stack of this id instead")
	list := flags.Bool("json", false, "list the resources with their inputs instead of drawing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := stackfile.Read(*file)
	if err != nil {
		return err
	}
	if *failover != "" {
		if s, err = s.ForFailover(settings.FailoverRun{ID: *failover, Deploy: true, Live: true}); err != nil {
			return err
		}
	}
	secrets := map[string]string{}
	if s.Database.Kind == settings.Container {
		secrets[program.PasswordKey] = "not looked at"
	}
	made, err := inventory.Of(s, secrets)
	if err != nil {
		return err
	}
	if *list {
		e := json.NewEncoder(out)
		e.SetIndent("", " ")
		return e.Encode(made)
	}
	_, err = io.WriteString(out, inventory.Mermaid(s.StackName(), made))
	return err
}
