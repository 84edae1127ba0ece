package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// How often pods that found no node are looked at again.
const unscheduledRetry = time.Second

// schedule gives every pod without a node one, in turns: those that people make
// while they play. It knows cordoned nodes and the pods of DaemonSets, and
// nothing of resources, taints or selectors; a real scheduler would cost a
// process of 100 MB.
func schedule(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	// With client-go's five calls a second, twenty new pods wait half a minute for each other.
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	turn := 0
	look := func(object any) {
		pod := object.(*corev1.Pod)
		turn++
		if err := place(ctx, client, pod, turn); err != nil {
			fmt.Fprintf(os.Stderr, "no node for %s/%s: %v\n", pod.Namespace, pod.Name, err)
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", metav1.NamespaceAll,
			fields.OneTermEqualSelector("spec.nodeName", "")),
		ObjectType:   &corev1.Pod{},
		ResyncPeriod: unscheduledRetry,
		Handler:      cache.ResourceEventHandlerFuncs{AddFunc: look, UpdateFunc: func(_, now any) { look(now) }},
	})
	go informer.Run(ctx.Done())
	return nil
}

func place(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, turn int) error {
	if pod.DeletionTimestamp != nil || len(pod.Spec.SchedulingGates) > 0 {
		return nil
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	wanted := daemonNodes(pod)
	fit := slices.DeleteFunc(nodes.Items, func(node corev1.Node) bool {
		return wanted == nil && node.Spec.Unschedulable || wanted != nil && !slices.Contains(wanted, node.Name)
	})
	if len(fit) == 0 {
		return fmt.Errorf("none of %d nodes fits", len(nodes.Items))
	}
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: fit[turn%len(fit)].Name},
	}
	return client.CoreV1().Pods(pod.Namespace).Bind(ctx, binding, metav1.CreateOptions{})
}

// daemonNodes names the node that a DaemonSet made a pod for; nil for other pods.
func daemonNodes(pod *corev1.Pod) []string {
	affinity := pod.Spec.Affinity
	if affinity == nil || affinity.NodeAffinity == nil || affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	var names []string
	for _, term := range affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, field := range term.MatchFields {
			if field.Key == metav1.ObjectNameField {
				names = append(names, field.Values...)
			}
		}
	}
	return names
}
