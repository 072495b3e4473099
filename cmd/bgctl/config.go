package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// newConfigCommand returns `bgctl config`.
func newConfigCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "config", Short: "Print the resolved compose file, with secrets hidden", Args: cobra.NoArgs,
		Long: "Print the compose file as bgctl runs it: files merged, variables filled in.\n" +
			"Secrets are hidden: by the names of variables, fields and options, by their shape\n" +
			"(passwords in URLs, keys, tokens), and wherever else the same text occurs. Look the\n" +
			"output over before you publish it: no rule finds every secret.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			project, err := a.load(cmd.Context())
			if err != nil {
				return err
			}
			marshal := project.RedactedYAML
			if asJSON {
				marshal = project.RedactedJSON
			}
			text, err := marshal()
			if err != nil {
				return err
			}
			_, err = a.out.Write(append([]byte(strings.TrimRight(string(text), "\n")), '\n'))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
