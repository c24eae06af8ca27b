# SSLOCSPEnable: whatever a responder does instead of giving a true and timely answer, the client stays out, soon, and the log says why.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock openssl_version wait_for);
use ModSSL::Client qw(:all);
use ModSSL::Responder;
use ModSSL::Admission qw(admissions admitted);

my $r = ModSSL::Responder->new;
sub at { return 'SSLOCSPDefaultResponder ' . $r->url($_[0]) }
my $brief = 'SSLOCSPResponderTimeout 1';

# mode => what our log says
my @LIES = (
    'no-nonce'     => qr/bad answer: it has no nonce.*SSLOCSPUseRequestNonce off/,
    'other-nonce'  => qr/bad answer: its nonce is that of another question/,
    expired        => qr/bad answer: it has expired, thisUpdate .* nextUpdate .* GMT/,
    future         => qr/bad answer: it is not valid yet.*SSLOCSPResponseTimeSkew/,
    'wrong-serial' => qr/bad answer: it is about another certificate/,
    'wrong-signer' => qr/bad answer: the certificate of who signed it cannot be trusted/,
    tampered       => qr/bad answer: its signature is wrong/,
    'revoked?this=-7200&next=-3600' => qr/bad answer: it has expired/,
    'good?signer=ca2&certs=none'    => qr/bad answer: it was signed by an unknown/,
    truncated      => qr/its answer is not as long as it says/,
    'no-der'       => qr/it sent no DER/,
    empty          => qr/it closed the connection before an answer was whole/,
    close          => qr/it closed the connection before an answer was whole/,
    'malformed-request' => qr/the responder says malformedRequest \(1\)/,
    'internal-error'    => qr/the responder says internalError \(2\)/,
    'try-later'         => qr/the responder says tryLater \(3\)/,
    'sig-required'      => qr/the responder says sigRequired \(5\)/,
    unauthorized        => qr/the responder says unauthorized \(6\)/,
    'http-500'          => qr/it answers with an HTTP error \(code=500, reason=Out of order\)/,
    'no-such-mode'      => qr/it answers with an HTTP error \(code=404/,
    redirect            => qr/it redirects, which is not followed/,
    'no-http'           => qr/it does not speak HTTP/,
    endless             => qr/sends more than 65536 bytes|it sends too long an HTTP header/,
);
# OpenSSL's HTTP client, as it has become, takes no text for DER.
my $no_text = openssl_version() =~ /^(\d+)\.(\d+)/ && ($1 > 3 || $2 >= 5);
my @rows;
while (my ($mode, $log) = splice @LIES, 0, 2) {
    push @rows, [$mode, at($mode), 'client', 'out', log => $log];
}
push @rows,
    ['trailing', at('trailing'), 'client', 'out', stock => 'SUCCESS', log => qr/its answer is not as long as it says/],
    ['huge', at('huge'), 'client', 'out', stock => 'SUCCESS', log => qr/its answer is too long \([^)]*length=\d+, max=65536\)/],
    (map { ["wrong type: $_", at($_), 'client', 'SUCCESS'] } 'good?type=application/octet-stream', 'no-type'),    # signed all the same
    ['wrong type: text', at('wrong-type'), 'client', $no_text ? ('out', stock => 'SUCCESS', log => qr/it sent text, and no DER/) : 'SUCCESS'],
    (map { [$_, "$brief\n" . at($_), 'client', 'out', log => qr/did not answer within 1000 ms/] } 'never', 'late', 'slow'),
    ['nobody there', 'SSLOCSPDefaultResponder http://127.0.0.1:1/', 'client', 'out', log => qr/cannot be reached: Connection refused/],
    ['no such host', 'SSLOCSPDefaultResponder http://no-such-host.invalid/', 'client', 'out', log => qr/cannot be reached: /],
    ['after all that', at('good'), 'client', 'SUCCESS'],
    ['many wait', "SSLOCSPResponderTimeout 2\n" . at('never'), 'client', 'out', log => qr/did not answer within 2000 ms/];
my $h = admissions(base => "SSLVerifyClient require\nSSLOCSPEnable on", rows => \@rows);

# Each waits for himself: together they take no longer than one.
my ($port, %wait) = $h->port("p$#rows");
for my $n (1 .. 8) {
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        Test::More->builder->no_ending(1);
        require POSIX;
        POSIX::_exit(admitted($port, '1.2', 'client') eq 'out' ? 0 : 1);
    }
    $wait{$pid} = 1;
}
my $out = 0;
wait_for(30, sub { while ((my $pid = waitpid -1, 1) > 0) { $out++ if delete $wait{$pid} && $? == 0 } return !%wait });
kill 'KILL', keys %wait;
is($out, 8, 'eight at once with a responder that never answers: all are told so');
is(admitted($h->port('p' . ($#rows - 1)), '1.3', 'client'), 'SUCCESS', 'others are served');
ok($h->alive, 'the server is up');
done_testing;
