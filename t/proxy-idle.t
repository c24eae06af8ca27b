# Kept connections to backends that end, or go bad, while nobody uses them: the next request gets a new connection and an answer.
# One that ends when the request is already on it is a failure: never half an answer, and never the answer to another request.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via tls request reset_connection answer);
use ModSSL::Client qw(raw_connect send_request read_response);
use ModSSL::Httpd qw(is_stock mpm wait_for);

# What is done with the connection after an answer, by the path that was asked for. It ends with the process.
my %AFTER = (
    '/close'    => sub { $_[0]->close },
    '/drop'     => sub { },
    '/reset'    => sub { sleep 1; reset_connection($_[1]) },
    '/alert'    => sub { syswrite $_[2], "\x15\x03\x03\x00\x02\x02\x28" },
    '/garbage'  => sub { syswrite $_[2], 'this is no record' },
    '/408'      => sub { syswrite $_[0], "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlate"; $_[0]->close },
    '/200'      => sub { syswrite $_[0], "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged" },
    '/line200'  => sub { syswrite $_[0], "\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged" },
    '/two200'   => sub { syswrite $_[0], $_ for "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged" },
    '/stay200'  => sub { syswrite $_[0], "\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"; 'go on' },
    '/stays200' => sub { syswrite $_[0], $_ for "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"; 'go on' },
    '/lines'    => sub { syswrite $_[0], "\r\n\r\n\r\n"; 'go on' },
    '/newlines' => sub { syswrite $_[0], "\r\n"; 'go on' },
);
my $backend = ModSSL::Backend->perl(sub {
    my ($raw, $self) = @_;
    open my $under, '>&', $raw or return;    # for bytes beside the TLS
    my $sock = tls($raw, cert => 'rsa') or return;
    my ($n, $go_on) = (0, 1);
    while ($go_on) {
        my ($path) = request($sock) =~ m{^\S+ (\S+)} or return;
        $self->note("$path on $$");
        return if $path eq '/never';
        answer($sock, "$path " . ++$n);
        $go_on = !$AFTER{$path} || ($AFTER{$path}->($sock, $raw, $under) || '') eq 'go on';
        $self->note("after $path") if $AFTER{$path};
    }
});
# One child, so that there is one pool of connections; a worker for each case.
my $one = mpm() eq 'prefork' ? "ServerLimit 1\nMaxRequestWorkers 1\n" : "ServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n";
my @names = sort map { substr $_, 1 } keys %AFTER;
my $h = front(main => "${one}ProxyTimeout 20\n", hosts => { map { $_ => 'ProxyPass / https://localhost:' . $backend->port . '/ retry=0' } map({ ("${_}get", "${_}post") } @names), qw(kept never) });
$h->start or die $h->why;
my $new = sub { my ($name, $path, %o) = @_; my $r = via($h, $name, path => $path, %o); return "$r->{status} $r->{body}" };

is($new->('kept', '/one'), '200 /one 1', 'a connection is made');
is($new->('kept', '/two'), '200 /two 2', '... and used again');
for my $name (@names) {
    for my $how ([get => ()], [post => (body => 'x' x 50_000)]) {
        my ($method, %o) = @$how;
        my $seen = () = grep { $_ eq "after /$name" } $backend->notes;
        is($new->("$name$method", "/$name"), "200 /$name 1", "$name, $method: an answer before it");
        ok(wait_for(10, sub { $seen < grep { $_ eq "after /$name" } $backend->notes }), '... the backend has done it');
        select undef, undef, undef, 0.2;    # what was sent has to arrive
        is($new->("$name$method", '/next', %o), '200 /next ' . ($name eq 'newlines' && !is_stock() ? 2 : 1), '... and after it');
    }
}

# The backend goes when it has got the request: 502; but a client that has its connection from before may try again itself.
for my $method (['GET'], ['POST', body => 'some body', method => 'POST']) {
    my ($label, %o) = @$method;
    is($new->('never', '/first'), '200 /first 1', "$label: a connection is made");
    is(via($h, 'never', path => '/never', %o)->{status}, 502, '... the backend leaves with the request on it');
    my $sock = raw_connect($h->port('never'));
    is(via($h, 'never', sock => $sock, path => '/first')->{status}, 200, '... on a kept connection of the client');
    is(via($h, 'never', sock => $sock, path => '/never', %o)->{status}, 0, '... it is closed without an answer');
}
my @times = grep { m{^/never} } $backend->notes;
is(scalar @times, 4, 'nothing was sent twice');
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
is(join("\n", grep { /died/ } $backend->notes), '', 'the backend has not failed in an unforeseen way');
done_testing;
