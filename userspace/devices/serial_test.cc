// SPDX-License-Identifier: GPL-2.0-only
#include "devices/serial.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/device_fakes.h"

namespace minikvm {
namespace {

enum Register : uint64_t { kData, kIer, kIir, kLcr, kMcr, kLsr, kMsr, kScratch, kFcr = kIir };

class SerialTest : public ::testing::Test {
 protected:
  size_t type(std::string_view text) {
    return uart.receive({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }
  std::string read_text(size_t size) {
    std::string text;
    while (size-- > 0) text.push_back(static_cast<char>(peek(uart, kData)));
    return text;
  }
  // As a driver leaves the port: FIFO on, DTR and RTS up.
  void open_port(uint8_t fcr = 0x01) {
    poke(uart, kFcr, fcr);
    poke(uart, kMcr, 0x0b);
  }

  FakeIrq irq;
  FakeSink tx;
  int hungry = 0;
  Serial uart{irq, tx, [this] { ++hungry; }};
};

TEST_F(SerialTest, IsIdleAfterPowerOn) {
  EXPECT_EQ(peek(uart, kIer), 0x00);
  EXPECT_EQ(peek(uart, kIir), 0x01);
  EXPECT_EQ(peek(uart, kLcr), 0x00);
  EXPECT_EQ(peek(uart, kMcr), 0x00);
  EXPECT_EQ(peek(uart, kLsr), 0x60);
  EXPECT_EQ(peek(uart, kMsr), 0xb0);
  EXPECT_FALSE(irq.high);
}

TEST_F(SerialTest, SendsWhatIsWritten) {
  for (const char c : std::string("hello")) poke(uart, kData, static_cast<uint8_t>(c));
  EXPECT_EQ(tx.text, "hello");
  EXPECT_EQ(peek(uart, kLsr), 0x60);
}

TEST_F(SerialTest, AWideWriteReachesConsecutiveRegisters) {
  const std::array bytes{std::byte{'x'}, std::byte{0x05}};
  uart.write(kData, bytes);
  EXPECT_EQ(tx.text, "x");
  EXPECT_EQ(peek(uart, kIer), 0x05);
}

TEST_F(SerialTest, ScratchKeepsAnyByte) {
  for (const uint8_t value : {0x00, 0x5a, 0xff}) {
    poke(uart, kScratch, value);
    EXPECT_EQ(peek(uart, kScratch), value);
  }
}

TEST_F(SerialTest, TheDivisorHidesBehindDlab) {
  poke(uart, kIer, 0x05);
  poke(uart, kLcr, 0x83);
  poke(uart, kData, 0x34);
  poke(uart, kIer, 0x12);
  EXPECT_EQ(peek(uart, kData), 0x34);
  EXPECT_EQ(peek(uart, kIer), 0x12);
  poke(uart, kLcr, 0x03);
  EXPECT_EQ(peek(uart, kIer), 0x05);
  EXPECT_EQ(tx.text, "");
}

TEST_F(SerialTest, InterruptEnableHasFourBits) {
  poke(uart, kIer, 0xff);
  EXPECT_EQ(peek(uart, kIer), 0x0f);
}

// autoconfig() of the Linux 8250 driver takes the port for a 16550A by this.
TEST_F(SerialTest, LinuxFindsA16550A) {
  poke(uart, kIer, 0x00);
  EXPECT_EQ(peek(uart, kIer), 0x00);
  poke(uart, kIer, 0x0f);
  EXPECT_EQ(peek(uart, kIer), 0x0f);
  poke(uart, kIer, 0x00);
  poke(uart, kMcr, 0x1a);
  EXPECT_EQ(peek(uart, kMsr) & 0xf0, 0x90);
  poke(uart, kMcr, 0x00);
  poke(uart, kLcr, 0x00);
  poke(uart, kFcr, 0x01);
  EXPECT_EQ(peek(uart, kIir) >> 6, 3);
  for (const uint8_t lcr : {0x80, 0xbf}) {  // no enhanced features register: neither 650 nor 850
    poke(uart, kLcr, lcr);
    EXPECT_NE(peek(uart, kIir), 0x00);
  }
  poke(uart, kLcr, 0x80);
  poke(uart, kFcr, 0x21);  // no 64-byte FIFO: not a 16750
  poke(uart, kLcr, 0x00);
  EXPECT_EQ(peek(uart, kIir) & 0xe0, 0xc0);
  poke(uart, kIer, 0x40);  // no UUE bit: not an XScale
  EXPECT_EQ(peek(uart, kIer), 0x00);
}

// The THRE test of serial8250_do_startup(): it must come back without a write.
TEST_F(SerialTest, EnablingTheTransmitInterruptRaisesItEachTime) {
  for (int round = 0; round < 2; ++round) {
    poke(uart, kIer, 0x02);
    EXPECT_TRUE(irq.high);
    EXPECT_EQ(peek(uart, kIir), 0x02);
    poke(uart, kIer, 0x00);
    EXPECT_FALSE(irq.high);
  }
}

TEST_F(SerialTest, TransmitEmptyInterruptIsAcknowledgedByReadingIir) {
  poke(uart, kIer, 0x02);
  EXPECT_TRUE(irq.high);
  EXPECT_EQ(peek(uart, kIir), 0x02);
  EXPECT_FALSE(irq.high);
  EXPECT_EQ(peek(uart, kIir), 0x01);
}

TEST_F(SerialTest, EachByteSentGivesAnEdge) {
  poke(uart, kIer, 0x02);
  const int before = irq.edges;
  poke(uart, kData, 'a');
  poke(uart, kData, 'b');
  EXPECT_EQ(irq.edges, before + 2);
  EXPECT_TRUE(irq.high);
}

TEST_F(SerialTest, RewritingTheSameIerRaisesNothing) {
  poke(uart, kIer, 0x02);
  peek(uart, kIir);
  poke(uart, kIer, 0x02);
  EXPECT_FALSE(irq.high);
}

TEST_F(SerialTest, ReceivedBytesInterruptUntilTheyAreRead) {
  open_port();
  poke(uart, kIer, 0x01);
  EXPECT_EQ(type("ab"), 2u);
  EXPECT_TRUE(irq.high);
  EXPECT_EQ(peek(uart, kIir), 0xc4);
  EXPECT_EQ(peek(uart, kLsr), 0x61);
  EXPECT_EQ(read_text(1), "a");
  EXPECT_TRUE(irq.high);
  EXPECT_EQ(read_text(1), "b");
  EXPECT_FALSE(irq.high);
  EXPECT_EQ(peek(uart, kLsr), 0x60);
}

TEST_F(SerialTest, BelowTheTriggerLevelIsATimeout) {
  open_port(0x81);  // trigger level 8
  poke(uart, kIer, 0x01);
  type("1234567");
  EXPECT_EQ(peek(uart, kIir), 0xcc);
  type("8");
  EXPECT_EQ(peek(uart, kIir), 0xc4);
  EXPECT_TRUE(irq.high);
}

TEST_F(SerialTest, TheFifoTakesSixteenAndTheHostKeepsTheRest) {
  open_port();
  std::string pasted = "The quick brown fox jumps over the lazy dog";
  std::string got;
  while (!pasted.empty()) {
    const size_t taken = type(pasted);
    EXPECT_LE(taken, Serial::kFifoSize);
    ASSERT_GT(taken, 0u);
    pasted.erase(0, taken);
    EXPECT_EQ(type("!"), taken == Serial::kFifoSize ? 0u : 1u);
    got += read_text(taken);
  }
  EXPECT_EQ(got, "The quick brown fox jumps over the lazy dog");
  EXPECT_EQ(peek(uart, kLsr) & 0x02, 0);  // no overrun
}

TEST_F(SerialTest, WithoutTheFifoOneByteAtATime) {
  open_port(0x00);
  EXPECT_EQ(type("ab"), 1u);
  EXPECT_EQ(read_text(1), "a");
  EXPECT_EQ(type("b"), 1u);
}

TEST_F(SerialTest, SaysWhenItWantsInput) {
  open_port();
  EXPECT_EQ(hungry, 1);  // RTS went up
  type("0123456789abcdefXYZ");
  read_text(15);
  EXPECT_EQ(hungry, 1);
  read_text(1);
  EXPECT_EQ(hungry, 2);  // the last byte was taken
}

TEST_F(SerialTest, NothingIsSentToADriverThatIsNotReady) {
  EXPECT_EQ(type("early"), 0u);
  poke(uart, kMcr, 0x00);
  peek(uart, kLsr);
  EXPECT_EQ(type("early"), 0u);
  poke(uart, kIer, 0x01);
  EXPECT_EQ(hungry, 1);
  EXPECT_EQ(type("early"), 1u);
}

TEST_F(SerialTest, APollingGuestGetsAByteEachTimeItLooks) {
  EXPECT_EQ(type("ab"), 0u);
  EXPECT_EQ(peek(uart, kLsr), 0x60);
  EXPECT_EQ(hungry, 1);
  EXPECT_EQ(type("ab"), 1u);
  EXPECT_EQ(peek(uart, kLsr), 0x61);
  EXPECT_EQ(read_text(1), "a");
  EXPECT_EQ(type("b"), 0u);
  EXPECT_EQ(peek(uart, kLsr), 0x60);
  EXPECT_EQ(type("b"), 1u);
}

TEST_F(SerialTest, ClearingTheReceiverDropsItsBytes) {
  open_port();
  poke(uart, kIer, 0x01);
  type("abc");
  poke(uart, kFcr, 0x03);
  EXPECT_EQ(peek(uart, kLsr), 0x60);
  EXPECT_FALSE(irq.high);
  EXPECT_EQ(hungry, 2);
}

TEST_F(SerialTest, SwitchingTheFifoOffClearsIt) {
  open_port();
  type("abc");
  poke(uart, kFcr, 0x00);
  EXPECT_EQ(peek(uart, kLsr), 0x60);
  EXPECT_EQ(peek(uart, kIir), 0x01);
}

TEST_F(SerialTest, LoopbackBringsBytesBackAndSendsNothing) {
  poke(uart, kFcr, 0x01);
  poke(uart, kMcr, 0x10);
  poke(uart, kIer, 0x01);
  poke(uart, kData, 'q');
  EXPECT_EQ(tx.text, "");
  EXPECT_TRUE(irq.high);
  EXPECT_EQ(type("outside"), 0u);
  EXPECT_EQ(read_text(1), "q");
}

TEST_F(SerialTest, LoopbackWiresTheModemLines) {
  const std::vector<std::pair<uint8_t, uint8_t>> wires{{0x01, 0x20}, {0x02, 0x10}, {0x04, 0x40},
                                                       {0x08, 0x80}, {0x0f, 0xf0}, {0x00, 0x00}};
  for (const auto& [mcr, msr] : wires) {
    poke(uart, kMcr, 0x10 | mcr);
    EXPECT_EQ(peek(uart, kMsr) & 0xf0, msr) << int{mcr};
  }
}

TEST_F(SerialTest, AModemLineThatChangesInterrupts) {
  poke(uart, kMcr, 0x10);
  peek(uart, kMsr);
  poke(uart, kIer, 0x08);
  EXPECT_FALSE(irq.high);
  poke(uart, kMcr, 0x12);
  EXPECT_TRUE(irq.high);
  EXPECT_EQ(peek(uart, kIir), 0x00);
  EXPECT_EQ(peek(uart, kMsr), 0x11);  // CTS, and that it changed
  EXPECT_FALSE(irq.high);
  EXPECT_EQ(peek(uart, kMsr), 0x10);
}

TEST_F(SerialTest, RingCountsOnlyItsTrailingEdge) {
  poke(uart, kMcr, 0x10);
  peek(uart, kMsr);
  poke(uart, kMcr, 0x14);
  EXPECT_EQ(peek(uart, kMsr), 0x40);
  poke(uart, kMcr, 0x10);
  EXPECT_EQ(peek(uart, kMsr), 0x04);
}

TEST_F(SerialTest, OverrunInLoopbackIsReportedOnce) {
  poke(uart, kFcr, 0x01);
  poke(uart, kMcr, 0x10);
  poke(uart, kIer, 0x04);
  for (int i = 0; i < 17; ++i) poke(uart, kData, static_cast<uint8_t>('a' + i));
  EXPECT_TRUE(irq.high);
  EXPECT_EQ(peek(uart, kIir), 0xc6);
  EXPECT_EQ(peek(uart, kLsr), 0x63);
  EXPECT_FALSE(irq.high);
  EXPECT_EQ(peek(uart, kLsr), 0x61);
  EXPECT_EQ(read_text(16), "abcdefghijklmnop");
}

TEST_F(SerialTest, WithoutTheFifoTheLastByteWins) {
  poke(uart, kMcr, 0x10);
  poke(uart, kData, 'a');
  poke(uart, kData, 'b');
  EXPECT_EQ(peek(uart, kLsr), 0x63);
  EXPECT_EQ(read_text(1), "b");
}

TEST_F(SerialTest, ABreakShowsWhenItIsNextInTheFifo) {
  open_port();
  poke(uart, kIer, 0x05);
  type("a");
  uart.receive_break();
  EXPECT_EQ(peek(uart, kIir), 0xc4);
  EXPECT_EQ(peek(uart, kLsr), 0xe1);  // an error somewhere in the FIFO
  EXPECT_EQ(read_text(1), "a");
  EXPECT_EQ(peek(uart, kIir), 0xc6);
  EXPECT_EQ(peek(uart, kLsr), 0xf1);
  EXPECT_EQ(peek(uart, kLsr), 0x61);
  EXPECT_EQ(peek(uart, kData), 0x00);
}

TEST_F(SerialTest, InterruptsComeByPriority) {
  open_port();
  poke(uart, kMcr, 0x10);  // loopback changes modem lines
  poke(uart, kMcr, 0x03);
  poke(uart, kIer, 0x0f);
  uart.receive_break();
  EXPECT_EQ(peek(uart, kIir), 0xc6);
  peek(uart, kLsr);
  EXPECT_EQ(peek(uart, kIir), 0xc4);
  peek(uart, kData);
  EXPECT_EQ(peek(uart, kIir), 0xc2);
  EXPECT_EQ(peek(uart, kIir), 0xc0);
  peek(uart, kMsr);
  EXPECT_EQ(peek(uart, kIir), 0xc1);
  EXPECT_FALSE(irq.high);
}

}  // namespace
}  // namespace minikvm
