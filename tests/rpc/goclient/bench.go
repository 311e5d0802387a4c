package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func bench(socket, name string, calls, parallel int) error {
	conn, err := dial(socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := runtimeapi.NewRuntimeServiceClient(conn)
	call := map[string]func(context.Context) error{
		"Version": func(ctx context.Context) error {
			_, err := client.Version(ctx, &runtimeapi.VersionRequest{})
			return err
		},
		"List100": func(ctx context.Context) error {
			_, err := client.ListContainers(ctx, listRequest(100, true))
			return err
		},
		"List100Encoded": func(ctx context.Context) error {
			_, err := client.ListContainers(ctx, listRequest(100, false))
			return err
		},
		"List1000": func(ctx context.Context) error {
			_, err := client.ListContainers(ctx, listRequest(1000, true))
			return err
		},
		"List1000Encoded": func(ctx context.Context) error {
			_, err := client.ListContainers(ctx, listRequest(1000, false))
			return err
		},
	}[name]
	if call == nil {
		return fmt.Errorf("no such call: %s", name)
	}
	times := make([]time.Duration, calls)
	failures := make(chan error, parallel)
	started := time.Now()
	var group sync.WaitGroup
	for worker := range parallel {
		group.Go(func() {
			for at := worker; at < calls; at += parallel {
				// kubelet gives every call a deadline.
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
				begin := time.Now()
				err := call(ctx)
				times[at] = time.Since(begin)
				cancel()
				if err != nil {
					failures <- err
					return
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-failures:
		return err
	default:
	}
	elapsed := time.Since(started)
	slices.Sort(times)
	fmt.Printf("%s c%d: p50 %d us, p99 %d us, %.0f calls/s\n", name, parallel,
		times[calls/2].Microseconds(), times[calls*99/100].Microseconds(), float64(calls)/elapsed.Seconds())
	return nil
}
