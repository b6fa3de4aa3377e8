// import_command_test.cpp: the real millctl import: what goes to stdout and stderr, and how it exits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kWhole[] = "listen web\nbind 203.0.113.10:80\nserver a 10.0.0.1:80\n";
constexpr char kPart[] = "listen web\nbind 203.0.113.10:80\nserver a 10.0.0.1:80\nserver b web.local:80\n";

class ImportCommand : public testing::Test {
 protected:
  ImportCommand() {
    char path[] = "/tmp/millrace-import-XXXXXX";
    dir_ = mkdtemp(path);
  }
  ~ImportCommand() override { std::filesystem::remove_all(dir_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name) << text;
    return (dir_ / name).string();
  }
  // Exit code; what was said is in out and err.
  int run(const std::string& arguments, const std::string& input = "") {
    const std::string command = std::string(MILLCTL_PATH) + " " + arguments + " <" + write("in", input) + " >" +
                                (dir_ / "out").string() + " 2>" + (dir_ / "err").string();
    const int status = std::system(command.c_str());
    out = read("out");
    err = read("err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string out, err;

 private:
  std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(dir_ / name).rdbuf();
    return text.str();
  }
  std::filesystem::path dir_;
};

TEST_F(ImportCommand, AllCarriedOver_IsExit0) {
  const std::string file = write("haproxy.cfg", kWhole);
  EXPECT_EQ(run("import " + file), 0);
  EXPECT_THAT(out, StartsWith("# From " + file + " (haproxy), by millctl import.\n"));
  EXPECT_EQ(err, "millctl: 1 services from " + file + ", 0 complaints\n");
}

TEST_F(ImportCommand, SomethingLeftOut_IsExit3WithItsLine) {
  const std::string file = write("haproxy.cfg", kPart);
  EXPECT_EQ(run("import haproxy " + file), 3);
  EXPECT_THAT(err, StartsWith(file + ":4: \"web.local\" is not an IP address ("));
  EXPECT_THAT(out, HasSubstr("\"10.0.0.1:80\""));
}

TEST_F(ImportCommand, Stdin_IsDash) {
  EXPECT_EQ(run("import ipvsadm -", "-A -t 203.0.113.10:80 -s wrr\n-a -t 203.0.113.10:80 -r 10.0.0.1:80 -m\n"), 0);
  EXPECT_THAT(out, HasSubstr("[servers.tcp-203-0-113-10-80]"));
}

TEST_F(ImportCommand, Snat_MakesPool) {
  EXPECT_EQ(run("import --snat 10.0.0.200 --snat fd00::200/126 -", kWhole), 0);
  EXPECT_THAT(out, HasSubstr("[snat.import]\naddresses = [\"10.0.0.200\", \"fd00::200/126\"]\n"));
  EXPECT_EQ(run("import --snat 10.0.0.300 -", kWhole), 2);
  EXPECT_THAT(err, StartsWith("millctl: --snat: "));
}

TEST_F(ImportCommand, WhatCannotBeRead_IsExit1) {
  EXPECT_EQ(run("import /no/such/file"), 1);
  EXPECT_THAT(err, HasSubstr("/no/such/file cannot be read: No such file"));
  EXPECT_EQ(run("import /tmp"), 1);
  EXPECT_EQ(run("import -", "server {\n}\n"), 1);
  EXPECT_THAT(err, HasSubstr("does not show what it is"));
  EXPECT_EQ(run("import haproxy -", std::string((1 << 20) + 1, '#')), 1);
  EXPECT_THAT(err, HasSubstr("more than 1 MiB"));
  EXPECT_EQ(run("import nginx -"), 2);
  EXPECT_EQ(run("import"), 2);
  EXPECT_EQ(run("import haproxy - -"), 2);
}

TEST_F(ImportCommand, Json_HasBothParts) {
  EXPECT_EQ(run("--json import -", kPart), 3);
  EXPECT_THAT(out, StartsWith("{"));
  EXPECT_THAT(out, HasSubstr("\"line\": 4"));
  EXPECT_THAT(out, HasSubstr("\"toml\": \"# From stdin (haproxy)"));
}

}  // namespace
