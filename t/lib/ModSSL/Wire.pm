package ModSSL::Wire;

=head1 NAME

ModSSL::Wire - a TLS client whose records and bytes on the wire are in the test's hands

=head1 SYNOPSIS

    my $w = ModSSL::Wire->new(port => $port, version => '1.2');   # TCP connected, nothing sent
    $w->handshake or die $w->error;
    $w->put("GET / HTTP/1.1\r\n");         # one record, sent
    my $bytes = $w->seal("Host: x\r\n");   # one record, not sent
    $w->put_raw($_) for split //, $bytes;  # sent byte by byte
    my $text = $w->get_until(qr/works/);   # plaintext so far; see eof, close_notify

=head1 METHODS

  new(port =>, version => '1.2'|'1.3', sni =>, ciphers => (up to TLS 1.2), timeout => 60)
  hello             the bytes of the ClientHello, not sent
  handshake         true when it completed (the session tickets of TLS 1.3 are read later)
  seal($text)       the record(s) that carry $text (up to 16384 bytes in one)
  put($text)        seals and sends        put_raw($bytes)  sends as they are
  goodbye           sends close_notify     half_close       shutdown(SHUT_WR)
  get_until(qr//)   reads until the plaintext matches, the connection ends or the time-out; returns the plaintext
  get_all           reads until the connection ends or the time-out
  wait_eof($s)      true when the peer ended the connection within $s seconds (four times that on a slow machine); whatever else comes is thrown away
  eof reset close_notify   what has been seen: end of stream, connection reset, the peer's close_notify
  abort             closes with a TCP reset        close  closes; neither sends close_notify
  records           [type, length] of each record that has come since the last call, as its header has them
  error             text of the last OpenSSL error

=cut

use strict;
use warnings;
use IO::Select;
use Net::SSLeay;
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY SHUT_WR);
use Time::HiRes qw(time);
use ModSSL::Client qw(raw_connect);

my %VERSION = ('1.2' => 0x0303, '1.3' => 0x0304);

sub new {
    my ($class, %o) = @_;
    my $sock = raw_connect($o{port}, timeout => $o{timeout}) or return;
    # Each put is to leave as a segment of its own.
    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    my $ctx = Net::SSLeay::CTX_new();
    if ($o{version}) {
        Net::SSLeay::CTX_set_min_proto_version($ctx, $VERSION{ $o{version} });
        Net::SSLeay::CTX_set_max_proto_version($ctx, $VERSION{ $o{version} });
    }
    Net::SSLeay::CTX_set_cipher_list($ctx, $o{ciphers}) if $o{ciphers};
    my $ssl = Net::SSLeay::new($ctx);
    my ($in, $out) = map { Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem()) } 1, 2;
    Net::SSLeay::set_bio($ssl, $in, $out);
    Net::SSLeay::set_connect_state($ssl);
    Net::SSLeay::set_tlsext_host_name($ssl, $o{sni}) if defined $o{sni};
    return bless { sock => $sock, ctx => $ctx, ssl => $ssl, in => $in, out => $out, plain => '',
                   header => '', records => [], timeout => $o{timeout} || 60 }, $class;
}

sub sock  { return $_[0]{sock} }
sub eof   { return $_[0]{eof} ? 1 : 0 }
sub reset { return $_[0]{reset} ? 1 : 0 }
sub close_notify { return Net::SSLeay::get_shutdown($_[0]{ssl}) & 2 ? 1 : 0 }
sub error { return Net::SSLeay::ERR_error_string(Net::SSLeay::ERR_get_error()) }

sub pending {
    my ($self) = @_;
    my $count = Net::SSLeay::BIO_pending($self->{out}) or return '';
    return Net::SSLeay::BIO_read($self->{out}, $count);
}

sub hello {
    my ($self) = @_;
    Net::SSLeay::do_handshake($self->{ssl});
    return $self->pending;
}

sub handshake {
    my ($self) = @_;
    my $end = time + $self->{timeout};
    while (time < $end) {
        my $done = Net::SSLeay::do_handshake($self->{ssl});
        my $out = $self->pending;
        $self->put_raw($out) if length $out;
        return 1 if $done == 1;
        return 0 if Net::SSLeay::get_error($self->{ssl}, $done) != 2;    # SSL_ERROR_WANT_READ
        $self->fill($end - time) or return 0;
    }
    return 0;
}

# Moves what the network has into OpenSSL; false at the end of the stream or of the time.
sub fill {
    my ($self, $seconds) = @_;
    return 0 if $self->{eof};
    return 0 if $seconds <= 0 || !IO::Select->new($self->{sock})->can_read($seconds);
    my $got = sysread $self->{sock}, my $bytes, 65536;
    if (!$got) {
        $self->{eof} = 1;
        $self->{reset} = 1 if !defined $got;
        return 0;
    }
    Net::SSLeay::BIO_write($self->{in}, $bytes);
    $self->note_records($bytes);
    return 1;
}

# Headers only; {skip} is what is still to come of a record whose header has been seen.
sub note_records {
    my ($self, $bytes) = @_;
    $bytes = $self->{header} . $bytes;
    my $at = $self->{skip} || 0;
    while ($at + 5 <= length $bytes) {
        my ($type, undef, $length) = unpack 'C n n', substr $bytes, $at, 5;
        push @{ $self->{records} }, [$type, $length];
        $at += 5 + $length;
    }
    $self->{header} = $at < length $bytes ? substr $bytes, $at : '';
    $self->{skip} = $at > length $bytes ? $at - length $bytes : 0;
    return;
}

sub records { my ($self) = @_; return splice @{ $self->{records} } }

sub drain {
    my ($self) = @_;
    while (1) {
        my ($text, $count) = Net::SSLeay::read($self->{ssl}, 65536);
        last if $count <= 0;
        $self->{plain} .= $text;
    }
    # an answer to a KeyUpdate, or an alert
    my $out = $self->pending;
    $self->put_raw($out) if length $out;
    return;
}

sub get_until {
    my ($self, $pattern, $seconds) = @_;
    my $end = time + ($seconds || $self->{timeout});
    while (1) {
        $self->drain;
        last if $self->{plain} =~ $pattern;
        last if !$self->fill($end - time);
    }
    return $self->{plain};
}

sub get_all { my ($self, $seconds) = @_; return $self->get_until(qr/(?!)/, $seconds) }

sub plain { my ($self) = @_; my $text = $self->{plain}; $self->{plain} = ''; return $text }

sub wait_eof {
    my ($self, $seconds) = @_;
    my $end = time + 4 * $seconds;
    1 while $self->fill($end - time);
    return $self->{eof} ? 1 : 0;
}

sub seal {
    my ($self, $text) = @_;
    Net::SSLeay::write($self->{ssl}, $text);
    return $self->pending;
}

sub put_raw {
    my ($self, $bytes) = @_;
    my $offset = 0;
    while ($offset < length $bytes) {
        my $sent = syswrite $self->{sock}, $bytes, length($bytes) - $offset, $offset;
        return 0 if !$sent;
        $offset += $sent;
    }
    return 1;
}

sub put { my ($self, $text) = @_; return $self->put_raw($self->seal($text)) }

sub goodbye {
    my ($self) = @_;
    Net::SSLeay::shutdown($self->{ssl});
    return $self->put_raw($self->pending);
}

sub half_close { my ($self) = @_; return CORE::shutdown($self->{sock}, SHUT_WR) }

sub abort {
    my ($self) = @_;
    setsockopt $self->{sock}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
    return $self->close;
}

sub close {
    my ($self) = @_;
    CORE::close(delete $self->{sock}) if $self->{sock};
    $self->{eof} = 1;
    return;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@, $!);
    Net::SSLeay::free(delete $self->{ssl}) if $self->{ssl};
    Net::SSLeay::CTX_free(delete $self->{ctx}) if $self->{ctx};
    return;
}

1;
