// A worker of your own, in Go: does the workflow RenderReport that docs/examples/reports.yaml starts.
//
//	TEMPORAL_ADDRESS=127.0.0.1:7233 go run .
//
// The address is the one that `actcore serve` prints for Temporal, or that of your own cluster.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const taskQueue = "reports"

// Report is what the workflow answers: `tasks.KEY.result` for the tasks after this one.
type Report struct {
	Report string `json:"report"`
	Pages  int    `json:"pages"`
}

func Render(_ context.Context, customer string) (string, error) {
	if customer == "" {
		// actcore makes no further try of what cannot get better.
		return "", temporal.NewNonRetryableApplicationError("a report needs a customer", "customer_missing", nil)
	}
	return "report of " + customer, nil
}

func RenderReport(ctx workflow.Context, customer string) (Report, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 5 * time.Minute})
	var text string
	err := workflow.ExecuteActivity(ctx, Render, customer).Get(ctx, &text)
	return Report{Report: text, Pages: 3}, err
}

func main() {
	address := os.Getenv("TEMPORAL_ADDRESS")
	if address == "" {
		address = "127.0.0.1:7233"
	}
	c, err := client.Dial(client.Options{HostPort: address})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	w := worker.New(c, taskQueue, worker.Options{})
	w.RegisterWorkflow(RenderReport)
	w.RegisterActivity(Render)
	fmt.Println("working on the queue", taskQueue)
	if err := w.Run(worker.InterruptCh()); err != nil {
		log.Fatal(err)
	}
}
