// Command stacks is the Pulumi program of every stack: `pulumi up -s primary` and
// `pulumi up -s dr` run it, and the Automation API runs the same function.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/stacks/program"
)

func main() { pulumi.Run(program.Run) }
