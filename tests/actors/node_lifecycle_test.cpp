#include "actors/node_lifecycle.hpp"

#include <gtest/gtest.h>

namespace rookery::actors {
namespace {

using retriever_pool::ReplicaState;

TEST(NodeLifecycleTest, GoesFromJoiningToGone) {
  NodeLifecycle node;
  EXPECT_EQ(node.state(), ReplicaState::kJoining);
  EXPECT_TRUE(node.begin_loading());
  EXPECT_EQ(node.state(), ReplicaState::kLoading);
  EXPECT_TRUE(node.endpoint().empty());
  EXPECT_TRUE(node.loaded("tcp://127.0.0.1:9"));
  EXPECT_EQ(node.state(), ReplicaState::kReady);
  EXPECT_EQ(node.endpoint(), "tcp://127.0.0.1:9");
  EXPECT_TRUE(node.drain());
  EXPECT_EQ(node.state(), ReplicaState::kDraining);
  node.leave();
  EXPECT_EQ(node.state(), ReplicaState::kGone);
  EXPECT_TRUE(node.endpoint().empty());
}

TEST(NodeLifecycleTest, KnowsNoOtherWay) {
  NodeLifecycle node;
  EXPECT_FALSE(node.loaded("tcp://127.0.0.1:9")) << "it was not loading";
  node.begin_loading();
  EXPECT_FALSE(node.loaded("")) << "ready means reachable";
  EXPECT_TRUE(node.drain());
  EXPECT_FALSE(node.loaded("tcp://127.0.0.1:9")) << "loading ended too late";
  EXPECT_EQ(node.state(), ReplicaState::kDraining);
  EXPECT_FALSE(node.begin_loading());
  node.leave();
  EXPECT_FALSE(node.drain());
}

}  // namespace
}  // namespace rookery::actors
