# SSLNumTickets: session tickets that a full handshake of TLS 1.3 sends (default 1; a resumption gets one); what
# SSLSessionTickets and SSLOpenSSLConfCmd have to do with it. Values that are no number of tickets are refused.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(ours_only);
use ModSSL::Client qw(:all);
ours_only('stock has no SSLNumTickets');

# [what stands in the virtual host, with a session cache: tickets of a full handshake, of a resumption; without: the same two]
# undef: there is nothing to resume. Without tickets and with a cache, TLS 1.3 sends the session's name in a ticket.
my @CASES = (
    ['',                                                              [1, 1],     [1, 1]],
    ['SSLNumTickets 0',                                               [0, undef], [0, undef]],
    ['SSLNumTickets 1',                                               [1, 1],     [1, 1]],
    ['SSLNumTickets 2',                                               [2, 1],     [2, 1]],
    ['SSLNumTickets 3',                                               [3, 1],     [3, 1]],
    ['SSLNumTickets 16',                                              [16, 1],    [16, 1]],
    ["SSLNumTickets 3\nSSLOpenSSLConfCmd NumTickets 5",               [5, 1],     [5, 1]],
    ["SSLOpenSSLConfCmd NumTickets 0",                                [0, undef], [0, undef]],
    ['SSLSessionTicketKeyFile @root@/ticket.key',                      [1, 1],     [1, 1]],
    ['SSLSessionTickets off',                                         [1, 1],     [0, undef]],
    ["SSLSessionTickets off\nSSLNumTickets 2",                        [2, 1],     [0, undef]],
    ["SSLSessionTickets off\nSSLNumTickets 0",                        [0, undef], [0, undef]],
);
my @WRONG = (
    ['-1',  qr/SSLNumTickets.*-1/],
    ['17',  qr/SSLNumTickets.*17/],
    ['x',   qr/SSLNumTickets.*x/],
    ['2x',  qr/SSLNumTickets.*2x/],
    ['',    qr/SSLNumTickets takes one argument/],
    ['1 2', qr/SSLNumTickets takes one argument/],
);

my $hosts = join '', map { <<"HOST" } 0 .. $#CASES;
<VirtualHost *:\@port:https\@>
    ServerName n$_.test
    SSLEngine on
    $CASES[$_][0]
</VirtualHost>
HOST
my $config = <<'END' . $hosts;
SSLCertificateFile    @pki@/ecdsa.crt
SSLCertificateKeyFile @pki@/ecdsa.key
END

sub server {
    my ($text) = @_;
    my $h = ModSSL::Httpd->new;
    $h->file('ticket.key', 'k' x 48);
    $h->config($text);
    return $h;
}

# Tickets in the trace that s_client -msg writes of one connection; the output, too.
sub tickets {
    my ($port, $name, @args) = @_;
    my $out = s_client(port => $port, args => ['-msg', '-tls1_3', '-servername', $name, @args],
                       input => ["GET / HTTP/1.1\r\nHost: $name\r\nConnection: close\r\n\r\n"]);
    my $count = () = $out =~ /^<<< TLS 1\.3, Handshake \[length [0-9a-f]+\], NewSessionTicket/mg;
    return ($count, $out);
}

for my $cache ('with', 'without') {
    my $h = server(($cache eq 'with' ? "SSLSessionCache shmcb:\@root\@/run/scache(512000)\n" : '') . $config);
    $h->start or BAIL_OUT($h->why);
    for my $n (0 .. $#CASES) {
        my ($first, $again) = @{ $CASES[$n][$cache eq 'with' ? 1 : 2] };
        my $case = (join('; ', split /\n/, $CASES[$n][0]) || 'default') . ", $cache cache";
        my $name = "n$n.test";
        my $file = $h->root . "/session.$n";
        my ($count, $out) = tickets($h->port, $name, '-sess_out', $file);
        is($count, $first, "$case: a full handshake");
        like($out, qr/It works/, "$case: and the page");
        if (!defined $again) {
            # What s_client wrote is no session that TLS 1.3 could resume.
            (undef, $out) = -s $file ? tickets($h->port, $name, '-sess_in', $file) : (0, 'New, TLSv1.3');
            like($out, qr/^New, TLSv1\.3/m, "$case: nothing is resumed");
            next;
        }
        ($count, $out) = tickets($h->port, $name, '-sess_in', $file);
        like($out, qr/^Reused, TLSv1\.3/m, "$case: resumed");
        is($count, $again, "$case: a resumption");
    }
    ok($h->alive, 'server lives');
}

for (@WRONG) {
    my ($value, $message) = @$_;
    my $h = server("SSLNumTickets $value\n" . $config);
    my ($status, $out) = $h->configtest;
    isnt($status, 0, "SSLNumTickets $value: refused");
    like($out, $message, "SSLNumTickets $value: said why");
}
for my $value (0, 1, 16) {
    my $h = server("SSLNumTickets $value\n" . $config);
    my ($status, $out) = $h->configtest;
    is($status, 0, "SSLNumTickets $value: accepted") or diag($out);
}
done_testing;
