// import_test.cpp: what the three importers share: which one it is, and results that our loader takes.
#include "tests/unit/import/imported_file.h"

namespace millrace::importing {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(GuessKind, FirstKnownWord_Decides) {
  EXPECT_EQ(guess_kind("! comment\n\n  global_defs{\n"), Kind::keepalived);
  EXPECT_EQ(guess_kind("# x\r\n-A -t 10.0.0.1:80 -s rr\r\n"), Kind::ipvsadm);
  EXPECT_EQ(guess_kind("ipvsadm -A -t 10.0.0.1:80\n"), Kind::ipvsadm);
  EXPECT_EQ(guess_kind("\tlisten web\n"), Kind::haproxy);
  EXPECT_EQ(guess_kind("server { listen 80; }"), std::nullopt);
  EXPECT_EQ(guess_kind(""), std::nullopt);
}

TEST(ImportText, TwoServicesOfOneAddress_TheSecondLosesIt) {
  const ImportedFile file =
      import_sample(Kind::haproxy,
                    "listen a\nbind :80\nserver s 10.0.0.1:80\nlisten b\nbind 203.0.113.10:80\nbind 203.0.113.10:81\n"
                    "server s 10.0.0.1:80\nlisten c\nbind 0.0.0.0:80\nserver s 10.0.0.1:80\n");
  EXPECT_THAT(file.left_out,
              ElementsAre(HasSubstr("5: 203.0.113.10:80 is bound already, as one of every address"),
                          HasSubstr("8: the service \"c\""), HasSubstr("9: 0.0.0.0:80 is bound already")));
  EXPECT_THAT(file.binds(1), ElementsAre("203.0.113.10:81"));
}

TEST(ImportText, BackendThatIsBind_WouldGoInCircles) {
  const ImportedFile file =
      import_sample(Kind::haproxy,
                    "listen a\nbind 203.0.113.10:80\nserver s 203.0.113.10:81\nserver t 10.0.0.1:80\n"
                    "listen b\nbind 203.0.113.10:81\nserver s 10.0.0.1:81\n");
  EXPECT_THAT(file.left_out, ElementsAre(HasSubstr("3: 203.0.113.10:81 is an address that is bound here")));
}

TEST(ImportText, BindWithoutBackendOfItsFamily_IsLeftOut) {
  const ImportedFile file =
      import_sample(Kind::haproxy, "listen a\nbind 203.0.113.10:80\nbind [2001:db8::1]:80\nserver s 10.0.0.1:80\n");
  EXPECT_THAT(file.left_out, ElementsAre(HasSubstr("3: [2001:db8::1]:80 has no backend of its family, IPv6")));
}

TEST(ImportText, NamesThatAreNone_BecomeSome) {
  const ImportedFile file =
      import_sample(Kind::haproxy,
                    "listen a/b\nbind :80\nserver s 10.0.0.1:80\nlisten a\xc3\xa4\nbind :81\nserver s 10.0.0.1:80\n"
                    "listen a_b\nbind :82\nserver s 10.0.0.1:80\nlisten v1.x\nbind :83\nserver s 10.0.0.1:80\n");
  EXPECT_EQ(file.service(0).name, "a_b");
  EXPECT_EQ(file.service(1).name, "a__");
  EXPECT_EQ(file.service(2).name, "a_b-2");
  EXPECT_EQ(file.service(3).name, "v1.x");
}

TEST(ImportText, SnatAddresses_ServeEveryFamilyOrNone) {
  const std::string text =
      "listen a\nbind 203.0.113.10:80\nserver s 10.0.0.1:80\nlisten b\nbind [2001:db8::1]:80\nserver s [fd00::1]:80\n";
  EXPECT_THAT(import_sample(Kind::haproxy, text, {"10.0.0.200-10.0.0.203"}).left_out,
              ElementsAre(HasSubstr("4: the service \"b\" is left out: --snat has no address of the family")));
  const ImportedFile both = import_sample(Kind::haproxy, text, {"10.0.0.200-10.0.0.203", "fd00::200/126"});
  EXPECT_THAT(both.left_out, IsEmpty());
  EXPECT_EQ(both.service(1).pool, "import");
  EXPECT_THAT(import_sample(Kind::haproxy, "listen a\nbind :80\nserver s 10.0.0.1:8080\nserver t 10.0.0.2:80\n",
                            {"10.0.0.0/30"})
                  .left_out,
              ElementsAre(HasSubstr("3: 10.0.0.1:8080 is one of the addresses of --snat")));
}

TEST(ImportText, VariablesAndQuotes_StayText) {
  const ImportedFile file = import_sample(
      Kind::haproxy, "listen a\nbind :80\noption httpchk GET /${HOME}/\"\\\"\"x\nserver s 10.0.0.1:80 check\n");
  EXPECT_EQ(file.service(0).healthcheck.http.path, "/${HOME}/\"x");
}

TEST(ImportText, TimesOutOfRange_AreBentWithAWord) {
  const ImportedFile file =
      import_sample(Kind::haproxy, "listen a\nbind :80\ntimeout client 10ms\nserver s 10.0.0.1:80 check inter 10\n");
  EXPECT_EQ(file.service(0).client_idle_timeout_ms, 1000u);
  EXPECT_EQ(file.service(0).healthcheck.interval_ms, 100u);
  EXPECT_THAT(file.left_out, testing::Contains(HasSubstr("the client's idle timeout of 10ms became 1s")));
}

TEST(ImportText, ControlCharacters_DoNotReachTheTerminal) {
  const ImportedFile file = import_sample(Kind::keepalived, "\x1b[31mred {\n}\nvirtual_server \x07 80 {\n}\n");
  ASSERT_THAT(file.left_out, Not(IsEmpty()));
  for (const std::string& complaint : file.left_out) EXPECT_THAT(complaint, Not(testing::ContainsRegex("[\x01-\x1f]")));
}

TEST(ImportText, MoreThanOneConfigurationHolds_IsSaidOnce) {
  std::string text = "backend b\n";
  for (int i = 0; i < 5000; ++i)
    text += "server s 10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + ":80\n";
  for (int i = 0; i < 2; ++i) text += "frontend f\nbind :" + std::to_string(1000 + i) + "\ndefault_backend b\n";
  const ImportedFile file = import_sample(Kind::haproxy, text);
  EXPECT_EQ(file.service(0).backends.size(), 4096u);
  EXPECT_THAT(file.left_out, testing::Contains(HasSubstr("is more than one configuration holds")).Times(1));
}

}  // namespace
}  // namespace millrace::importing
